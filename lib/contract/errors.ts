import { Errors } from "moleculer";
import type { Failures, FieldError } from "./failures.ts";
import type { Resource } from "./resource.ts";

const { MoleculerClientError, MoleculerRetryableError } = Errors;

/** An error of an action: its type, code and data are those of the contract. */
const TypedError: new <Type extends keyof Failures>(
  message: string,
  code: Failures[Type]["code"],
  type: Type,
  data?: Failures[Type]["data"],
) => Errors.MoleculerClientError = MoleculerClientError;

/**
 * Every error that the service returns on purpose (contract 3 and 12). `code` is the HTTP status. `code`, `type` and
 * `data` are kept between nodes, the class is not: distinguish errors by `type`.
 */

/** The maximum number of fields that one error lists. */
export const DETAILS_MAX = 100;

export class ValidationFailed extends TypedError<"VALIDATION_ERROR"> {
  constructor(details: FieldError[]) {
    super("Validation failed", 400, "VALIDATION_ERROR", details.slice(0, DETAILS_MAX));
  }
}

/** A request that cannot be read: broken JSON, another content type, a malformed form. */
export class BadRequest extends MoleculerClientError {
  constructor(message: string) {
    super(message, 400, "BAD_REQUEST");
  }
}

export class Unauthorized extends TypedError<"UNAUTHORIZED"> {
  /** `data` describes what is wrong with a token, for the header WWW-Authenticate. */
  constructor(message = "Authentication required", data?: Failures["UNAUTHORIZED"]["data"]) {
    super(message, 401, "UNAUTHORIZED", data);
  }
}

export class Forbidden extends TypedError<"FORBIDDEN"> {
  constructor(message = "Access denied") {
    super(message, 403, "FORBIDDEN");
  }
}

/** The token is that of a suspended user (contract 27). */
export class AccountSuspended extends TypedError<"ACCOUNT_SUSPENDED"> {
  constructor() {
    super("Account is suspended", 403, "ACCOUNT_SUSPENDED");
  }
}

export class UserNotFound extends TypedError<"USER_NOT_FOUND"> {
  constructor(key: "ID" | "Keycloak ID" | "email", value: string) {
    super(`User with ${key} ${value} not found`, 404, "USER_NOT_FOUND");
  }
}

/** A version of a user that its history does not lead to (contract 24). */
export class VersionNotFound extends TypedError<"VERSION_NOT_FOUND"> {
  /** @param version a number, or `of` a time */
  constructor(id: string, version: number | `of ${string}`) {
    super(`User with ID ${id} has no known version ${version}`, 404, "VERSION_NOT_FOUND");
  }
}

export class AvatarNotFound extends TypedError<"AVATAR_NOT_FOUND"> {
  constructor() {
    super("Avatar not found", 404, "AVATAR_NOT_FOUND");
  }
}

export class RouteNotFound extends MoleculerClientError {
  constructor() {
    super("Route not found", 404, "ROUTE_NOT_FOUND");
  }
}

export class MethodNotAllowed extends MoleculerClientError {
  constructor(allow: string[]) {
    super("Method not allowed", 405, "METHOD_NOT_ALLOWED", { allow });
  }
}

export class EmailTaken extends TypedError<"EMAIL_TAKEN"> {
  constructor(email: string) {
    super(`User with email ${email} already exists`, 409, "EMAIL_TAKEN");
  }
}

export class KeycloakIdTaken extends TypedError<"KEYCLOAK_ID_TAKEN"> {
  constructor(keycloakId: string) {
    super(`User with Keycloak ID ${keycloakId} already exists`, 409, "KEYCLOAK_ID_TAKEN");
  }
}

/** A user was deleted too long ago to be restored (contract 25). */
export class RestoreTooLate extends TypedError<"RESTORE_TOO_LATE"> {
  constructor(id: string, days: number) {
    super(`User with ID ${id} was deleted more than ${days} days ago`, 410, "RESTORE_TOO_LATE");
  }
}

/** The personal data of a user were erased for good (contract 25). */
export class UserErased extends TypedError<"USER_ERASED"> {
  constructor(id: string) {
    super(`User with ID ${id} has been erased`, 410, "USER_ERASED");
  }
}

/** The data of a user are kept, for example for a court (contract 25). */
export class LegalHold extends TypedError<"LEGAL_HOLD"> {
  constructor(id: string) {
    super(`User with ID ${id} is on legal hold`, 409, "LEGAL_HOLD");
  }
}

export class ErasureNotFound extends TypedError<"ERASURE_NOT_FOUND"> {
  constructor(userId: string) {
    super(`No erasure of the user with ID ${userId} was requested`, 404, "ERASURE_NOT_FOUND");
  }
}

export class HoldNotFound extends TypedError<"HOLD_NOT_FOUND"> {
  constructor(userId: string) {
    super(`User with ID ${userId} is not on legal hold`, 404, "HOLD_NOT_FOUND");
  }
}

/** The first request with the same idempotency key is still running (contract 21). */
export class RequestInProgress extends TypedError<"REQUEST_IN_PROGRESS"> {
  constructor() {
    super("A request with the same Idempotency-Key is in progress", 409, "REQUEST_IN_PROGRESS");
  }
}

export class IdempotencyKeyReused extends TypedError<"IDEMPOTENCY_KEY_REUSED"> {
  constructor() {
    super("The Idempotency-Key was used for another request", 422, "IDEMPOTENCY_KEY_REUSED");
  }
}

/** A reservation exceeds what remains of a quota (contract 26). */
export class QuotaExceeded extends TypedError<"QUOTA_EXCEEDED"> {
  constructor(resource: Resource, amount: number, remaining: number) {
    const message = `${amount} wanted, ${remaining} remaining`;
    super("Quota exceeded", 409, "QUOTA_EXCEEDED", [{ field: resource, message }]);
  }
}

export class ReservationNotFound extends TypedError<"RESERVATION_NOT_FOUND"> {
  constructor(id: string) {
    super(`Reservation with ID ${id} not found`, 404, "RESERVATION_NOT_FOUND");
  }
}

/** A reservation has already ended in another way than the caller wants (contract 26). */
export class ReservationEnded extends TypedError<
  "RESERVATION_COMMITTED" | "RESERVATION_RELEASED" | "RESERVATION_EXPIRED"
> {
  constructor(id: string, how: "committed" | "released" | "expired") {
    const verb = how === "expired" ? "has" : "has been";
    const type = { committed: "COMMITTED", released: "RELEASED", expired: "EXPIRED" } as const;
    super(`Reservation with ID ${id} ${verb} ${how}`, 409, `RESERVATION_${type[how]}`);
  }
}

/** The user's row does not have the version that the caller sent (contract 20). */
export class VersionConflict extends TypedError<"VERSION_CONFLICT"> {
  constructor() {
    super("Precondition failed: the user has changed", 412, "VERSION_CONFLICT");
  }
}

/** A request that is refused before it is routed: 400, 408, 413, 417 or 431. */
export class RequestRefused extends MoleculerClientError {
  constructor(status: number, message: string) {
    super(message, status, "REQUEST_REFUSED");
  }
}

export class BodyTooLarge extends MoleculerClientError {
  constructor() {
    super("Request body exceeds 1MB limit", 413, "BODY_TOO_LARGE");
  }
}

/** The maximum size of an uploaded avatar file, in bytes. */
export const AVATAR_LIMIT = 5 * 1024 * 1024;

export class AvatarTooLarge extends TypedError<"AVATAR_TOO_LARGE"> {
  constructor() {
    super("Avatar file size exceeds 5MB limit", 413, "AVATAR_TOO_LARGE");
  }
}

export class UnsupportedImage extends TypedError<"UNSUPPORTED_IMAGE"> {
  constructor() {
    super("Only JPEG and PNG images are supported", 415, "UNSUPPORTED_IMAGE");
  }
}

/** A dependency is unavailable or too slow now; the same call may succeed later. */
export class DependencyUnavailable extends MoleculerRetryableError {
  constructor(dependency: string, message = `The ${dependency} is unavailable for now`) {
    super(message, 503, "DEPENDENCY_UNAVAILABLE", { dependency });
  }
}
