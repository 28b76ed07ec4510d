/** What is wrong with one field; `field` is a dotted path such as `profile.fullName`. */
export type FieldError = { field: string; message: string };

/** The errors that actions reject with, by `type`. */
export type Failures = {
  VALIDATION_ERROR: { code: 400; data: FieldError[] };
  UNAUTHORIZED: { code: 401; data?: { invalidToken: string } };
  FORBIDDEN: { code: 403; data?: undefined };
  ACCOUNT_SUSPENDED: { code: 403; data?: undefined };
  USER_NOT_FOUND: { code: 404; data?: undefined };
  VERSION_NOT_FOUND: { code: 404; data?: undefined };
  AVATAR_NOT_FOUND: { code: 404; data?: undefined };
  EMAIL_TAKEN: { code: 409; data?: undefined };
  KEYCLOAK_ID_TAKEN: { code: 409; data?: undefined };
  RESTORE_TOO_LATE: { code: 410; data?: undefined };
  USER_ERASED: { code: 410; data?: undefined };
  LEGAL_HOLD: { code: 409; data?: undefined };
  ERASURE_NOT_FOUND: { code: 404; data?: undefined };
  HOLD_NOT_FOUND: { code: 404; data?: undefined };
  REQUEST_IN_PROGRESS: { code: 409; data?: undefined };
  IDEMPOTENCY_KEY_REUSED: { code: 422; data?: undefined };
  QUOTA_EXCEEDED: { code: 409; data: FieldError[] };
  RESERVATION_NOT_FOUND: { code: 404; data?: undefined };
  RESERVATION_COMMITTED: { code: 409; data?: undefined };
  RESERVATION_RELEASED: { code: 409; data?: undefined };
  RESERVATION_EXPIRED: { code: 409; data?: undefined };
  VERSION_CONFLICT: { code: 412; data?: undefined };
  AVATAR_TOO_LARGE: { code: 413; data?: undefined };
  UNSUPPORTED_IMAGE: { code: 415; data?: undefined };
  DEPENDENCY_UNAVAILABLE: { code: 503; data: { dependency: string } };
};

/** An error of an action. Check its `type`: the class is lost between nodes. `code` is the HTTP status. */
export type ActionError = {
  [Type in keyof Failures]: Error & { type: Type } & Failures[Type];
}[keyof Failures];
