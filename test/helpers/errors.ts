import { STATUS_CODES } from "node:http";
import { expect } from "@jest/globals";

/** The whole body of an error (SPEC 3); `details` as the fields at fault. */
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

/** The fields that an answer's `details` name. */
export const fieldsOf = (body: { details?: { field: string }[] }): string[] =>
  (body.details ?? []).map(({ field }) => field);
