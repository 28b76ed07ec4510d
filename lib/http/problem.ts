import type { ErrorBody } from "./error-response.ts";

/** Errors as problem details (RFC 9457), for callers that ask for them (contract 22). */

export const PROBLEM_JSON = "application/problem+json";

/** The type is named in the Accept header, and not with `q=0`; a wildcard does not name it. */
const NAMED = /(^|,)\s*application\/problem\+json\s*(;(?!\s*q=0(\.0*)?\s*(,|$))|,|$)/i;

export const wantsProblem = (accept = ""): boolean => NAMED.test(accept);

/** The same error in the other form. `code` is its type, such as `USER_NOT_FOUND`. */
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
