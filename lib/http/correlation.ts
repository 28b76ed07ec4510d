import type { IncomingMessage, ServerResponse } from "node:http";
import { ValidationFailed } from "../contract/errors.ts";
import { isCorrelationId } from "../contract/events.ts";

/** The id by which a caller finds a request again in events and answers (contract 21). */

export const CORRELATION_ID = "x-correlation-id";

/** Sets the answer's header: the caller's id, or the trace id if there is none or it is invalid. */
export function echoCorrelationId({ headers }: IncomingMessage, res: ServerResponse, traceId: string): void {
  const given = headers[CORRELATION_ID];
  res.setHeader(CORRELATION_ID, isCorrelationId(given) ? given : traceId);
}

/**
 * @returns the caller's id, if it sent one
 * @throws ValidationFailed
 */
export function readCorrelationId({ headers }: IncomingMessage): string | undefined {
  const given = headers[CORRELATION_ID];
  if (given === undefined || isCorrelationId(given)) return given;
  const message = "must be 1 to 128 visible ASCII characters";
  throw new ValidationFailed([{ field: CORRELATION_ID, message }]);
}
