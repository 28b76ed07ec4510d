import type {
  FieldError,
  Preferences,
  Quota,
  Quotas,
  Stats,
  User,
  UserPage,
} from "../../../lib/contract/contracts.ts";
import type { ErrorBody } from "../../../lib/http/error-response.ts";
import type { Health } from "../../../lib/runtime/health.ts";

import { count, flag, object, text, textOrNull, time, url, uuid } from "./schema-of.ts";

/** What the routes answer (SPEC 1 to 3), as JSON Schema. */

const userSchema = object<User>({
  id: uuid,
  keycloakId: text,
  email: text,
  profile: object<User["profile"]>({
    fullName: text,
    companyName: textOrNull,
    phone: { ...textOrNull, description: "E.164 where it parses" },
    bio: textOrNull,
    avatarUrl: { ...textOrNull, format: "uri" },
  }),
  stats: object<User["stats"]>({
    interviewsCreated: count,
    storageUsed: { ...count, description: "Bytes" },
  }),
  quotas: object<User["quotas"]>({
    maxInterviews: count,
    maxStorage: { ...count, description: "Bytes" },
  }),
  createdAt: time,
  updatedAt: time,
});

const quota = object<Quota>({ used: count, limit: count, remaining: count, exceeded: flag });

const notifications: Record<keyof Preferences["notifications"], typeof flag> = {
  email: flag,
  interviewInvitation: flag,
  interviewReminder: flag,
  analysisReady: flag,
  quotaWarning: flag,
  marketing: flag,
};

const health = object<Health>({
  status: { ...text, enum: ["ok", "error"] },
  timestamp: time,
  database: object<Health["database"]>({
    status: { ...text, enum: ["connected", "disconnected"] },
    connections: count,
  }),
  kafka: object<Health["kafka"]>({
    status: { ...text, enum: ["connected", "disconnected", "embedded"] },
    broker: textOrNull,
  }),
});

const error = object<ErrorBody>(
  {
    statusCode: { type: "integer" },
    message: text,
    error: { ...text, description: "The status's reason phrase" },
    timestamp: time,
    path: text,
    traceId: { ...text, description: "As in the logs, and the caller's own where it sent a `traceparent`" },
    details: {
      type: "array",
      items: object<FieldError>({
        field: { ...text, description: "Dotted: `profile.fullName`" },
        message: text,
      }),
    },
  },
  { optional: ["details"] },
);

/** By the name of each in the document. */
export const ANSWERS = {
  User: userSchema,
  UserPage: object<UserPage>({
    items: { type: "array", items: { $ref: "#/components/schemas/User" } },
    nextCursor: { ...textOrNull, description: "The next page's `cursor`; null on the last page" },
  }),
  Stats: object<Stats>({
    interviewsCreated: count,
    interviewsActive: count,
    candidatesTotal: count,
    storageUsed: { ...count, description: "Bytes" },
    storageUsedFormatted: { ...text, examples: ["1.5 GB"] },
  }),
  Quotas: object<Quotas>({ interviews: quota, storage: quota }),
  Preferences: object<Preferences>({
    language: { ...text, description: "A BCP 47 language tag" },
    timezone: { ...text, description: "An IANA time zone" },
    notifications: object<Preferences["notifications"]>(notifications),
  }),
  Avatar: object<{ avatarUrl: string }>({ avatarUrl: url }),
  Message: object<{ message: string }>({ message: text }),
  Error: error,
  Health: health,
  HealthError: object<Health & ErrorBody>(
    { ...error.properties, ...health.properties },
    { optional: ["details"] },
  ),
  Status: object<{ status: string }>({ status: { ...text, enum: ["ok"] } }),
};
