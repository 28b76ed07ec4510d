import type { Readable } from "node:stream";

/** Types of the actions, their errors and the events; contracts.ts hands them to other projects (SPEC 12). */

/** SPEC 1. Sizes are in bytes, times are ISO 8601. */
export type User = {
  id: string;
  keycloakId: string;
  email: string;
  profile: {
    fullName: string;
    companyName: string | null;
    phone: string | null;
    bio: string | null;
    avatarUrl: string | null;
  };
  stats: { interviewsCreated: number; storageUsed: number };
  quotas: { maxInterviews: number; maxStorage: number };
  createdAt: string;
  updatedAt: string;
};

export type UserPage = { items: User[]; nextCursor: string | null };

export type Stats = {
  interviewsCreated: number;
  interviewsActive: number;
  candidatesTotal: number;
  storageUsed: number;
  storageUsedFormatted: string;
};

export type Quota = { used: number; limit: number; remaining: number; exceeded: boolean };
export type Quotas = { interviews: Quota; storage: Quota };

export type Preferences = {
  language: string;
  timezone: string;
  notifications: {
    email: boolean;
    interviewInvitation: boolean;
    interviewReminder: boolean;
    analysisReady: boolean;
    quotaWarning: boolean;
    marketing: boolean;
  };
};
export type PreferencesPatch = Partial<Omit<Preferences, "notifications">> & {
  notifications?: Partial<Preferences["notifications"]>;
};

/** A whole profile; what is omitted is null. */
export type Profile = {
  fullName: string;
  companyName?: string | null;
  phone?: string | null;
  bio?: string | null;
};

export type ListParams = {
  limit?: number;
  cursor?: string;
  sort?: string;
  search?: string;
  email?: string;
  keycloakId?: string;
  companyName?: string;
  /** ISO 8601, both inclusive */
  createdFrom?: string;
  createdTo?: string;
};

/** What an image is that `avatars.get` streams; `etag` is the quoted HTTP entity tag, `length` the bytes that follow. */
export type AvatarMeta = { contentType: string; etag: string; version: string; length?: number };

type Action<Params, Result> = { params: Params; result: Result };

/** The actions that other services and the REPL call (SPEC 12). */
export type Actions = {
  "users.create": Action<{ keycloakId: string; email: string; profile: Profile }, User>;
  "users.get": Action<{ id: string }, User>;
  "users.getByKeycloakId": Action<{ keycloakId: string }, User>;
  "users.getByEmail": Action<{ email: string }, User>;
  "users.list": Action<ListParams, UserPage>;
  "users.update": Action<{ id: string; profile?: Partial<Profile> }, User>;
  "users.replaceProfile": Action<{ id: string } & Profile, User>;
  "users.changeEmail": Action<{ id: string; email: string }, User>;
  "users.remove": Action<{ id: string }, { message: string }>;
  "users.getPreferences": Action<{ id: string }, Preferences>;
  "users.updatePreferences": Action<{ id: string } & PreferencesPatch, Preferences>;
  "stats.get": Action<{ id: string }, Stats>;
  "stats.incrementInterviews": Action<{ id: string }, Stats>;
  "stats.getQuotas": Action<{ id: string }, Quotas>;
  "stats.setQuotas": Action<{ id: string; maxInterviews?: number; maxStorage?: number }, Quotas>;
  /** The file comes as the call's `stream`. */
  "avatars.upload": Action<{ id: string }, { avatarUrl: string }>;
  /**
   * `webp`: the caller takes that format too. `ifNoneMatch`: what the caller has already, as in HTTP; then the result is
   * null. What the stream holds is told in `ctx.meta.avatar`.
   */
  "avatars.get": Action<{ id: string; size?: number; webp?: boolean; ifNoneMatch?: string }, Readable | null>;
  "avatars.remove": Action<{ id: string }, { message: string }>;
};

/** What is wrong with one field; `field` is dotted, such as `profile.fullName`. */
export type FieldError = { field: string; message: string };

/** What an action rejects with, by `type`. */
export type Failures = {
  VALIDATION_ERROR: { code: 400; data: FieldError[] };
  UNAUTHORIZED: { code: 401; data?: { invalidToken: string } };
  FORBIDDEN: { code: 403; data?: undefined };
  USER_NOT_FOUND: { code: 404; data?: undefined };
  AVATAR_NOT_FOUND: { code: 404; data?: undefined };
  EMAIL_TAKEN: { code: 409; data?: undefined };
  KEYCLOAK_ID_TAKEN: { code: 409; data?: undefined };
  AVATAR_TOO_LARGE: { code: 413; data?: undefined };
  UNSUPPORTED_IMAGE: { code: 415; data?: undefined };
  DEPENDENCY_UNAVAILABLE: { code: 503; data: { dependency: string } };
};

/** Tell one from another by `type`: its class does not survive the way from node to node. `code` is the HTTP status. */
export type ActionError = {
  [Type in keyof Failures]: Error & { type: Type } & Failures[Type];
}[keyof Failures];

/** What only the services of this project call among themselves. */
export type InternalActions = {
  /** Counts consumed events, each exactly once, and says of each what became of it. */
  "stats.apply": Action<{ events: CountedEvent[] }, Outcome[]>;
  /** The database as a node that has one sees it. */
  "database.health": Action<
    Record<string, never>,
    { status: "connected" | "disconnected"; connections: number }
  >;
};

/** A consumed event as `stats.apply` takes it: `key` is its identity in processed_events. */
export type CountedEvent = {
  key: string;
  topic: string;
  userId: string;
  eventType: ConsumedEventType;
  /** fileSize in bytes, or completedCandidates; 0 for an event that carries no amount */
  amount: number;
  /** The event's own id and correlation, for the events that follow from it. */
  causationId?: string;
  correlationId?: string;
  /** The span in which it was read, where it came with a trace of its own. */
  traceparent?: string;
};
export type ConsumedEventType = keyof ConsumedEvents;
export type Outcome = "applied" | "duplicate" | "deleted-user" | "unknown-user";

/** The `data` of the events that this service publishes (SPEC 7). */
export type Events = {
  "user.created": { keycloakId: string; email: string; fullName: string; createdAt: string };
  "user.updated": { changes: Partial<Profile> & { email?: string } };
  "user.avatar_uploaded": { avatarUrl: string; fileSize: number };
  "user.avatar_deleted": { fileSize: number };
  "user.deleted": {
    deletedAt: string;
    reason: "user_request" | "admin_request" | "internal_request";
  };
  "user.preferences_updated": { changes: PreferencesPatch };
  "user.quota_warning": QuotaMark;
  "user.quota_exceeded": QuotaMark;
};
export type QuotaMark = {
  resource: "interviews" | "storage";
  used: number;
  limit: number;
  percent: number;
};

/** The `data` of the events that it consumes, each with what it is about and how much it adds (SPEC 7). */
export type ConsumedEvents = {
  "interview.created": { interviewId: string | number };
  "interview.completed": { interviewId: string | number; completedCandidates: number };
  "media.uploaded": { fileId: string | number; fileSize: number };
  "media.deleted": { fileId: string | number; fileSize: number };
};

/** A published event, as it stands on Kafka and as a Moleculer listener gets it in `ctx.params`. */
export type Envelope<Type extends keyof Events = keyof Events> = {
  eventId: string;
  eventType: Type;
  timestamp: string;
  userId: string;
  data: Events[Type];
  metadata: { service: "user-service"; version: string; correlationId: string; causationId?: string };
};

/** The stream of an upload. */
export type FileStream = Readable;
