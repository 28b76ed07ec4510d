import type { ErrorBody } from "./error-response.ts";

/** Errors as problem details (RFC 9457), for callers that ask for them (contract 22). */

export const PROBLEM_JSON = "application/problem+json";

/** The Accept header names the type, without `q=0`. A wildcard does not name it. */
const NAMED = /(^|,)\s*application\/problem\+json\s*(;(?!\s*q=0(\.0*)?\s*(,|$))|,|$)/i;

export const wantsProblem = (accept = ""): boolean => NAMED.test(accept);

/** Converts an error to problem details. `code` is its type, such as `USER_NOT_FOUND`. */
export const toProblem = (
  code: string,
  { statusCode, message, error, path, traceId, details }: ErrorBody,
) => ({
  type: `urn:user-service:error:${code.toLowerCase().replaceAll("_", "-")}`,
  title: error,
  status: statusCode,
  detail: message,
  instance: path,
  code,
  traceId,
  ...(details && { errors: details }),
});
