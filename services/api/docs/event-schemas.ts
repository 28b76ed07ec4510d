import type {
  ConsumedEvents,
  Envelope,
  Events,
  PreferencesPatch,
  QuotaMark,
} from "../../../lib/contract/contracts.ts";
import { ADA, PREFERENCES } from "./operations.ts";
import {
  count,
  flag,
  object,
  partial,
  type SchemaOf,
  text,
  textOrNull,
  time,
  url,
  uuid,
} from "./schema-of.ts";

/** What each event carries (SPEC 7), as JSON Schema, with an example. */

type Described<Data> = { summary: string; data: SchemaOf<Data>; example: Data };

const notifications = Object.fromEntries(
  Object.keys(PREFERENCES.notifications).map((name) => [name, flag]),
) as Record<keyof typeof PREFERENCES.notifications, typeof flag>;

const quotaMark = object<QuotaMark>({
  resource: { ...text, enum: ["interviews", "storage"] },
  used: count,
  limit: count,
  percent: { ...count, description: "Rounded down; of a limit of 0 it is 100" },
});

/** The events of ours; a test holds them against what is really published. */
export const PUBLISHED: { [Type in keyof Events]: Described<Events[Type]> } = {
  "user.created": {
    summary: "Somebody signed up",
    data: object<Events["user.created"]>({ keycloakId: text, email: text, fullName: text, createdAt: time }),
    example: {
      keycloakId: ADA.keycloakId,
      email: ADA.email,
      fullName: ADA.profile.fullName,
      createdAt: ADA.createdAt,
    },
  },
  "user.updated": {
    summary: "A profile or an e-mail changed; `changes` holds only what did",
    data: object<Events["user.updated"]>({
      changes: partial<Events["user.updated"]["changes"]>({
        fullName: text,
        companyName: textOrNull,
        phone: textOrNull,
        bio: textOrNull,
        email: text,
      }),
    }),
    example: { changes: { phone: "+4930901820", companyName: null } },
  },
  "user.avatar_uploaded": {
    summary: "A picture came, or took another's place; `fileSize` is that of all its sizes together",
    data: object<Events["user.avatar_uploaded"]>({ avatarUrl: url, fileSize: count }),
    example: { avatarUrl: `http://localhost:3003/api/v1/users/${ADA.id}/avatar?v=a3f5`, fileSize: 48_213 },
  },
  "user.avatar_deleted": {
    summary: "A picture was deleted",
    data: object<Events["user.avatar_deleted"]>({ fileSize: count }),
    example: { fileSize: 48_213 },
  },
  "user.deleted": {
    summary: "A user was deleted",
    data: object<Events["user.deleted"]>({
      deletedAt: time,
      reason: { ...text, enum: ["user_request", "admin_request", "internal_request"] },
    }),
    example: { deletedAt: ADA.createdAt, reason: "user_request" },
  },
  "user.preferences_updated": {
    summary: "Preferences changed; `changes` holds only what did",
    data: object<Events["user.preferences_updated"]>({
      changes: partial<PreferencesPatch>({
        language: text,
        timezone: text,
        notifications: partial<NonNullable<PreferencesPatch["notifications"]>>(notifications),
      }),
    }),
    example: { changes: { language: "en-GB", notifications: { marketing: true } } },
  },
  "user.quota_warning": {
    summary: "85, 90 or 95 % of a quota were reached",
    data: quotaMark,
    example: { resource: "interviews", used: 9, limit: 10, percent: 90 },
  },
  "user.quota_exceeded": {
    summary: "A quota is used up",
    data: quotaMark,
    example: { resource: "interviews", used: 10, limit: 10, percent: 100 },
  },
};

const id = {
  type: ["string" as const, "integer" as const],
  description: "The event's key where it has no eventId",
};
const bytes = { ...count, maximum: Number.MAX_SAFE_INTEGER };
/** Neighbours may say more than is used. */
const open = <Schema extends object>(schema: Schema) => ({ ...schema, additionalProperties: true });

/** The events of our neighbours that are counted; a test has the examples read as `ingest` reads them. */
export const COUNTED: { [Type in keyof ConsumedEvents]: Described<ConsumedEvents[Type]> } = {
  "interview.created": {
    summary: "One more interview, and one more active",
    data: open(object<ConsumedEvents["interview.created"]>({ interviewId: id })),
    example: { interviewId: "interview-1" },
  },
  "interview.completed": {
    summary: "One active interview less, and its candidates are added",
    data: open(
      object<ConsumedEvents["interview.completed"]>({ interviewId: id, completedCandidates: bytes }),
    ),
    example: { interviewId: "interview-1", completedCandidates: 3 },
  },
  "media.uploaded": {
    summary: "Storage grows by the file",
    data: open(object<ConsumedEvents["media.uploaded"]>({ fileId: id, fileSize: bytes })),
    example: { fileId: "file-1", fileSize: 1_048_576 },
  },
  "media.deleted": {
    summary: "Storage shrinks by the file",
    data: open(object<ConsumedEvents["media.deleted"]>({ fileId: id, fileSize: bytes })),
    example: { fileId: "file-1", fileSize: 1_048_576 },
  },
};

/** The envelope of the events of ours around a schema of their data. */
export const envelope = (type: keyof Events, data: SchemaOf<Events[typeof type]>) =>
  object<Envelope>({
    eventId: uuid,
    eventType: { ...text, const: type },
    timestamp: time,
    userId: uuid,
    data: data as SchemaOf<Envelope["data"]>,
    metadata: object<Envelope["metadata"]>(
      {
        service: { ...text, const: "user-service" },
        version: text,
        correlationId: text,
        causationId: text,
      },
      { optional: ["causationId"] },
    ),
  });
