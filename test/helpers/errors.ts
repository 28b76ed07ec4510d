import { STATUS_CODES } from "node:http";
import { expect } from "@jest/globals";

/** The body of an error (contract 3); `fields` are the fields that `details` must name. */
export const errorBody = (
  statusCode: number,
  message: unknown,
  path: unknown = expect.stringMatching(/^\/[^?]*$/),
  fields?: string[],
) => ({
  statusCode,
  message,
  error: STATUS_CODES[statusCode],
  timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  path,
  traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
  ...(fields && { details: fields.map((field) => ({ field, message: expect.stringMatching(/./) })) }),
});

/** The fields that the `details` of a response name. */
export const fieldsOf = (body: { details?: { field: string }[] }): string[] =>
  (body.details ?? []).map(({ field }) => field);
