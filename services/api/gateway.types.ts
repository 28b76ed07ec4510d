import type { IncomingMessage, ServerResponse } from "node:http";
import type { ActionSchema, Context } from "moleculer";
import type { Meta } from "../../lib/contract/caller.ts";
import type { Actions } from "../../lib/contract/contracts.ts";

/** What moleculer-web adds to a request, as far as we use it; its own types leave most of it open. */

export type Request = IncomingMessage & {
  originalUrl: string;
  /** As it stands in the target, without the `?`. */
  query: string;
  $ctx: Context<unknown, Meta>;
  $action?: ActionSchema;
  /** The route that it matched. */
  $alias?: { fullPath: string };
  /** Why it was answered with 5xx. */
  $failure?: Error;
  /** Of the path, the query and the body, as moleculer-web found them; of all, once they were read. */
  $params: Record<string, unknown>;
};

export type Gateway = { sendResponse(req: Request, res: ServerResponse, data: unknown): void };

/** A route's handler: it answers, or calls `next` to have the action called, or to tell an error. */
export type Handler = (
  this: Gateway,
  req: Request,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** What a route is bound to. */
export type Binding = {
  action: keyof Actions;
  /** The status of a success, where it is not 200. */
  status?: 201;
  /** A user's token is needed: a service alone is nobody. */
  forUser?: true;
  /** All that the query may hold, where that is not what the action takes. */
  query?: string[];
  /** Runs before the action, or answers in its place. */
  handler?: Handler;
  /** The handler reads the body itself. */
  streamsBody?: true;
};
