import type { IncomingMessage, ServerResponse } from "node:http";
import type { ActionSchema, Context } from "moleculer";
import type { ActionContract } from "../../lib/contract/action.ts";
import type { Meta } from "../../lib/contract/caller.ts";
import type { Actions } from "../contracts.ts";

/** What moleculer-web adds to a request, as far as we use it. */

export type Request = IncomingMessage & {
  originalUrl: string;
  /** The query of the target, without the `?`. */
  query: string;
  $ctx: Context<unknown, Meta>;
  $action?: ActionSchema;
  /** The route that it matched. */
  $alias?: { fullPath: string };
  /** The error that was answered with 5xx. */
  $failure?: Error;
  /** First the fields of the path; after `readParams` the action's params. */
  $params: Record<string, unknown>;
};

export type Gateway = { sendResponse(req: Request, res: ServerResponse, data: unknown): void };

/** A route's handler: it answers, or calls `next` to call the action, or to pass an error. */
export type Handler = (
  this: Gateway,
  req: Request,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** The target of a route. */
export type Binding = {
  action: keyof Actions;
  /** The status of a success, if it is not 200. */
  status?: ActionContract["status"];
  /** The path of what it creates, with fields of the result, if that is not the user. */
  location?: string;
  /** It takes an `Idempotency-Key` (contract 21). */
  idempotent?: true;
  /** Its answers have an ETag, and it honours If-None-Match (contract 20). */
  versioned?(result: object): string;
  /** It honours If-Match (contract 20). */
  conditional?: boolean;
  /** The param that names the user of the token. The internal token alone is not enough. */
  me?: "id" | "keycloakId";
  /** The fields that the query may have, if they are not the params of the action. */
  query?: string[];
  /** Other fields of the query are ignored and not refused. */
  ignoresOtherQuery?: true;
  /** Runs before the action, or answers instead of it. */
  handler?: Handler;
  /** The handler reads the body itself. */
  streamsBody?: true;
};
