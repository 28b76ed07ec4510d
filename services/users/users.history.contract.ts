import { action } from "../../lib/contract/action.ts";
import { either, notWith, record } from "../../lib/contract/compound.ts";
import { VersionNotFound } from "../../lib/contract/errors.ts";
import {
  anyText,
  count,
  described,
  flag,
  type Infer,
  type InferAll,
  ifVersion,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  text,
  time,
  uuid,
  withDefault,
} from "../../lib/contract/fields.ts";
import { fault } from "../../lib/contract/formats/fault.ts";
import { ADA, DEFAULT_QUOTAS, id, moment, User } from "./users.fields.ts";

/** The history of users (contract 24). */

const value = nullable(either(anyText(), count(), flag()));
/** The value of a field: what it was, or what it became. */
export type Value = Infer<typeof value>;

const changes = described(
  "By field, such as `phone` or `preferences.language`; each value is a text, a number, true, false or null",
  record(object({ from: value, to: value })),
);
export type Changes = Infer<typeof changes>;

const by = object({
  kind: oneOf(["user", "admin", "internal", "keycloak", "event"]),
  id: optional(described("The `sub` of the token; the owner does not see those of others", anyText())),
});
/** Who made a change. */
export type Actor = Infer<typeof by>;

export const HistoryEntry = object(
  {
    version: described("Of the user, after the change", count()),
    at: time(),
    by,
    eventId: described("Of the event that reports the change; null if there is none", nullable(uuid())),
    traceId: nullable(anyText()),
    changes,
  },
  "HistoryEntry",
);
export type HistoryEntry = Infer<typeof HistoryEntry>;

const HistoryPage = object(
  {
    items: list(HistoryEntry),
    nextCursor: described("The `cursor` of the next page; null on the last page", nullable(anyText())),
  },
  "HistoryPage",
);
export type HistoryPage = Infer<typeof HistoryPage>;

/** A cursor is the version of the last entry of a page. */
const CURSOR = /^[1-9]\d{0,15}$/;
const cursor = text(1, 16, (given) => (CURSOR.test(given) ? given : fault("is not a cursor of this list")));
const listing = {
  id,
  limit: withDefault(integer(1, 100, { convert: true }), 20),
  cursor: optional(cursor),
};
export type HistoryListing = InferAll<typeof listing>;

const versionNumber = (options?: { convert: boolean }) => integer(1, Number.MAX_SAFE_INTEGER, options);

/** The params that ask for a user as it was. */
export const past = {
  version: described("The user as of this version", optional(versionNumber({ convert: true }))),
  at: described("The user as of this time", notWith("version", moment())),
};
export type Past = InferAll<typeof past>;

export const unknownVersion = new VersionNotFound(ADA.id, 3);

const created = (to: string | number) => ({ from: null, to });

export const historyActions = {
  history: action({
    rest: "GET /users/:id/history",
    access: "owner",
    logAs: "history_read",
    logLevel: "debug",
    params: listing,
    result: HistoryPage,
    operationId: "listHistory",
    summary: "List the changes of a user, newest first, a page at a time",
    example: {
      params: { id: ADA.id, limit: 20 },
      result: {
        items: [
          {
            version: 1,
            at: ADA.createdAt,
            by: { kind: "internal" },
            eventId: "0191d2f0-6f2b-4c39-9a53-8e5f0f8f6b1d",
            traceId: "0af7651916cd43dd8448eb211c80319c",
            changes: {
              keycloakId: created(ADA.keycloakId),
              email: created(ADA.email),
              fullName: created(ADA.profile.fullName),
              companyName: created("Analytical Engines"),
              maxInterviews: created(DEFAULT_QUOTAS.maxInterviews),
              maxStorage: created(DEFAULT_QUOTAS.maxStorage),
            },
          },
        ],
        nextCursor: null,
      },
    },
  }),
  revert: action({
    rest: "POST /users/:id/revert",
    access: "admin-only",
    logAs: "user_revert",
    params: { id, ifVersion, version: versionNumber() },
    result: User,
    operationId: "revertUser",
    summary: "Give a user the profile and the preferences of an earlier version",
    errors: [unknownVersion],
    example: { params: { id: ADA.id, version: 1 }, result: ADA },
  }),
};
