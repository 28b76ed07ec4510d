import { STATUS_CODES } from "node:http";
import type { Failures, FieldError } from "../contract/failures.ts";

/** Every error that leaves the service, in the one form of SPEC 3. */

export type ErrorBody = {
  statusCode: number;
  message: string;
  error: string;
  timestamp: string;
  path: string;
  traceId: string;
  details?: FieldError[];
};

type Answer = { status: number; headers: Record<string, string>; body: ErrorBody };

/** What an error carries from node to node; its class does not survive the way. */
type Carried = { code?: unknown; type?: unknown; message?: string; data?: unknown };

/** Errors that say on purpose what the client may know (lib/contract/errors.ts). */
const TOLD = new Set([
  "VALIDATION_ERROR",
  "BAD_REQUEST",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "USER_NOT_FOUND",
  "AVATAR_NOT_FOUND",
  "ROUTE_NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "EMAIL_TAKEN",
  "KEYCLOAK_ID_TAKEN",
  "REQUEST_IN_PROGRESS",
  "IDEMPOTENCY_KEY_REUSED",
  "REQUEST_REFUSED",
  "BODY_TOO_LARGE",
  "AVATAR_TOO_LARGE",
  "UNSUPPORTED_IMAGE",
  "DEPENDENCY_UNAVAILABLE",
]);

/** Moleculer's own ways to say that a node is away or too slow. */
const AWAY = new Set([
  "SERVICE_NOT_FOUND",
  "SERVICE_NOT_AVAILABLE",
  "SERVICE_UNAVAILABLE",
  "BAD_GATEWAY",
  "REQUEST_TIMEOUT",
  "REQUEST_SKIPPED",
  "REQUEST_REJECTED",
  "QUEUE_FULL",
]);

/** The answer to an error; nothing of the cause gets out of one that was not made to be told. */
export function toErrorResponse(error: unknown, at: { path: string; traceId: string; now: Date }): Answer {
  const { status, message, data } = toTold((error ?? {}) as Carried);
  return {
    status,
    headers: headersOf(error, status, data),
    body: {
      statusCode: status,
      message,
      error: STATUS_CODES[status] ?? "",
      timestamp: at.now.toISOString(),
      path: at.path,
      traceId: at.traceId,
      ...(Array.isArray(data) && { details: data as FieldError[] }),
    },
  };
}

function toTold({ code, type, message = "", data }: Carried): {
  status: number;
  message: string;
  data?: unknown;
} {
  if (TOLD.has(String(type))) return { status: Number(code), message, data };
  if (AWAY.has(String(type)) || code === 503)
    return { status: 503, message: "The service is unavailable for now" };
  if (type === "UNABLE_DECODE_PARAM") return { status: 400, message: "The path is not validly encoded" };
  return { status: 500, message: "Internal server error" };
}

function headersOf(error: unknown, status: number, data: unknown): Record<string, string> {
  if (status === 401) return { "WWW-Authenticate": challengeOf(data as Failures["UNAUTHORIZED"]["data"]) };
  if (status === 405) return { Allow: (data as { allow: string[] }).allow.join(", ") };
  const isForNow = status === 503 || (error as Carried | null)?.type === "REQUEST_IN_PROGRESS";
  return isForNow ? { "Retry-After": "1" } : {};
}

/** RFC 6750, 3: without a token there is nothing to say about it. */
const challengeOf = (data: Failures["UNAUTHORIZED"]["data"]): string =>
  data ? `Bearer error="invalid_token", error_description="${data.invalidToken}"` : "Bearer";
