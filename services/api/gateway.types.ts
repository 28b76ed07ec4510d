import type { IncomingMessage, ServerResponse } from "node:http";
import type { ActionSchema, Context } from "moleculer";
import type { ActionContract } from "../../lib/contract/action.ts";
import type { Meta } from "../../lib/contract/caller.ts";
import type { Actions } from "../contracts.ts";

/** The properties that moleculer-web adds to a request, as far as we use them. */

export type Request = IncomingMessage & {
  originalUrl: string;
  /** The query of the target, without the `?`. */
  query: string;
  $ctx: Context<unknown, Meta>;
  $action?: ActionSchema;
  /** The matched route. */
  $alias?: { fullPath: string };
  /** The error, if the answer is 5xx. */
  $failure?: Error;
  /** First the fields of the path; after `readParams` the action's params. */
  $params: Record<string, unknown>;
};

export type Gateway = { sendResponse(req: Request, res: ServerResponse, data: unknown): void };

/** A route's handler: it answers, or calls `next` to call the action or to pass an error. */
export type Handler = (
  this: Gateway,
  req: Request,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** The target of a route. */
export type Binding = {
  action: keyof Actions;
  /** The status of a success, if not 200. */
  status?: ActionContract["status"];
  /** The path of a created resource, with fields of the result, if it is not the user. */
  location?: string;
  /** It accepts an `Idempotency-Key` (contract 21). */
  idempotent?: true;
  /** Its answers have an ETag, and it honours If-None-Match (contract 20). */
  versioned?(result: object): string;
  /** It honours If-Match (contract 20). */
  conditional?: boolean;
  /** The param that identifies the user of the token. The internal token alone is not enough. */
  me?: "id" | "keycloakId";
  /** The allowed fields of the query, if they are not the params of the action. */
  query?: string[];
  /** Other fields of the query are ignored instead of refused. */
  ignoresOtherQuery?: true;
  /** Runs before the action, or answers instead of it. */
  handler?: Handler;
  /** The handler reads the body itself. */
  streamsBody?: true;
};
