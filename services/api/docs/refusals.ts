import type { ActionContract } from "../../../lib/contract/action.ts";
import {
  AccountSuspended,
  BadRequest,
  BodyTooLarge,
  DependencyUnavailable,
  Forbidden,
  IdempotencyKeyReused,
  RequestInProgress,
  Unauthorized,
  UserNotFound,
  ValidationFailed,
  VersionConflict,
} from "../../../lib/contract/errors.ts";
import { toErrorResponse } from "../../../lib/http/error-response.ts";
import { ADA } from "../../users/users.contract.ts";
import { refer } from "./schemas.ts";

/** The error answers of a route, generated from the errors that the service throws. */

/** The errors that an action's access and params imply, and its own. */
export const refusals = ({
  rest: route,
  access,
  whileSuspended,
  idempotent,
  params,
  errors = [],
}: ActionContract): readonly Error[] => [
  new ValidationFailed([{ field: "nickname", message: "is not a known field" }]),
  new BadRequest(
    route?.startsWith("GET ") ? "A GET request takes no body" : "Request body could not be read",
  ),
  ...(access === "anyone" ? [] : [new Unauthorized(), new Forbidden()]),
  ...(whileSuspended ? [] : [new AccountSuspended()]),
  ...("id" in params ? [new UserNotFound("ID", ADA.id)] : []),
  ...(route?.startsWith("GET ") || route?.endsWith("/avatar") ? [] : [new BodyTooLarge()]),
  ...errors,
  ...("ifVersion" in params ? [new VersionConflict()] : []),
  ...(idempotent ? [new RequestInProgress(), new IdempotencyKeyReused()] : []),
  new Error("anything else"),
  new DependencyUnavailable("database"),
];

/** Its values are examples, not an enumeration: a client that was generated before a code was added has to take it. */
type Header = { schema: { type: "string" }; examples: Record<string, { value: string }> };
type Response = {
  description: string;
  headers: Record<string, Header>;
  content: { "application/json": { schema: object; examples: Record<string, { value: object }> } };
};

/**
 * Responses by status; errors of one status are examples of one response. Problems (contract 22) are not among them:
 * only callers that ask get them, and generated clients would have a union of both forms for each error.
 */
export function errorsOf(errors: readonly Error[], path: string): Record<string, Response> {
  const at = {
    path: path.replace(":id", ADA.id),
    traceId: "0af7651916cd43dd8448eb211c80319c",
    now: new Date(ADA.createdAt),
  };
  const responses: Record<string, Response> = {};
  for (const error of errors) {
    const { status, code, headers, body } = toErrorResponse(error, at);
    responses[status] ??= {
      description: body.error,
      headers: {},
      content: { "application/json": { schema: { $ref: refer("Error") }, examples: {} } },
    };
    const { headers: documented, content } = responses[status];
    for (const [name, value] of Object.entries(headers)) {
      documented[name] ??= { schema: { type: "string" }, examples: {} };
      documented[name].examples[code] = { value };
    }
    content["application/json"].examples[code] = { value: body };
  }
  return responses;
}
