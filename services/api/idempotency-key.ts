import type { IncomingMessage, ServerResponse } from "node:http";
import type { Meta } from "../../lib/contract/caller.ts";
import { ValidationFailed } from "../../lib/contract/errors.ts";

/** Visible ASCII characters (contract 21). Several headers arrive as one, joined with a comma and a space. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Reads the `Idempotency-Key` of a request, if there is one.
 * @throws ValidationFailed
 */
export function readIdempotencyKey({ headers }: Pick<IncomingMessage, "headers">): string | undefined {
  const key = headers["idempotency-key"];
  if (key === undefined || (typeof key === "string" && KEY.test(key))) return key as string | undefined;
  const message = "must be 1 to 255 visible ASCII characters";
  throw new ValidationFailed([{ field: "Idempotency-Key", message }]);
}

/** Marks an answer as the stored one of an earlier request. */
export function markReplay(meta: Meta | undefined, res: ServerResponse): void {
  if (meta?.replayed && !res.headersSent) res.setHeader("Idempotency-Replayed", "true");
}
