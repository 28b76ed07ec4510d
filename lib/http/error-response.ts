import { STATUS_CODES } from "node:http";
import type { Failures, FieldError } from "../contract/failures.ts";

/** Converts every error to the one form of contract 3, with its code (contract 22). */

export type ErrorBody = {
  statusCode: number;
  message: string;
  error: string;
  timestamp: string;
  path: string;
  traceId: string;
  details?: FieldError[];
};

type Answer = { status: number; code: string; headers: Record<string, string>; body: ErrorBody };

const ERROR_CODE = "x-error-code";

/** What an error keeps between nodes; its class is lost. */
type Carried = { code?: unknown; type?: unknown; message?: string; data?: unknown };

/** Errors whose message is meant for the client (lib/contract/errors.ts). */
const PUBLIC = new Set([
  "VALIDATION_ERROR",
  "BAD_REQUEST",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "ACCOUNT_SUSPENDED",
  "USER_NOT_FOUND",
  "VERSION_NOT_FOUND",
  "AVATAR_NOT_FOUND",
  "ROUTE_NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "EMAIL_TAKEN",
  "KEYCLOAK_ID_TAKEN",
  "RESTORE_TOO_LATE",
  "USER_ERASED",
  "LEGAL_HOLD",
  "ERASURE_NOT_FOUND",
  "HOLD_NOT_FOUND",
  "REQUEST_IN_PROGRESS",
  "IDEMPOTENCY_KEY_REUSED",
  "QUOTA_EXCEEDED",
  "RESERVATION_NOT_FOUND",
  "RESERVATION_COMMITTED",
  "RESERVATION_RELEASED",
  "RESERVATION_EXPIRED",
  "VERSION_CONFLICT",
  "REQUEST_REFUSED",
  "BODY_TOO_LARGE",
  "AVATAR_TOO_LARGE",
  "UNSUPPORTED_IMAGE",
  "DEPENDENCY_UNAVAILABLE",
]);

/** Moleculer's errors for a node that is unavailable or too slow. */
const UNAVAILABLE = new Set([
  "SERVICE_NOT_FOUND",
  "SERVICE_NOT_AVAILABLE",
  "SERVICE_UNAVAILABLE",
  "BAD_GATEWAY",
  "REQUEST_TIMEOUT",
  "REQUEST_SKIPPED",
  "REQUEST_REJECTED",
  "QUEUE_FULL",
]);

/** The answer to an error. It shows nothing of an error that is not meant for the client. */
export function toErrorResponse(error: unknown, at: { path: string; traceId: string; now: Date }): Answer {
  const { status, code, message, data } = toPublic((error ?? {}) as Carried);
  return {
    status,
    code,
    headers: { [ERROR_CODE]: code, ...headersOf(status, code, data) },
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

type Public = { status: number; code: string; message: string; data?: unknown };

function toPublic({ code, type, message = "", data }: Carried): Public {
  const name = String(type);
  if (PUBLIC.has(name)) return { status: Number(code), code: name, message, data };
  if (UNAVAILABLE.has(name) || code === 503)
    return { status: 503, code: "DEPENDENCY_UNAVAILABLE", message: "The service is unavailable for now" };
  if (name === "UNABLE_DECODE_PARAM")
    return { status: 400, code: "BAD_REQUEST", message: "The path is not validly encoded" };
  return { status: 500, code: "INTERNAL_ERROR", message: "Internal server error" };
}

function headersOf(status: number, code: string, data: unknown): Record<string, string> {
  if (status === 401) return { "WWW-Authenticate": challengeOf(data as Failures["UNAUTHORIZED"]["data"]) };
  if (status === 405) return { Allow: (data as { allow: string[] }).allow.join(", ") };
  const isForNow = status === 503 || code === "REQUEST_IN_PROGRESS";
  return isForNow ? { "Retry-After": "1" } : {};
}

/** RFC 6750, 3: without a token, the challenge contains no error. */
const challengeOf = (data: Failures["UNAUTHORIZED"]["data"]): string =>
  data ? `Bearer error="invalid_token", error_description="${data.invalidToken}"` : "Bearer";
