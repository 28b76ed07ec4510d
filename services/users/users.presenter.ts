import { shownUrl } from "../../models/avatar-url.ts";
import type { UserRow } from "../../models/user.ts";
import {
  type Actor,
  type Changes,
  type HistoryEntry,
  type ListedUser,
  PROFILE_FIELDS,
  type Profile,
  type User,
} from "./users.contract.ts";

/** A loop: it is called for each of 100 users, and `Object.fromEntries` takes three times as long. */
function profileOf(row: UserRow): Pick<UserRow, keyof Profile> {
  const profile: Partial<Record<keyof Profile, string | null>> = {};
  for (const field of PROFILE_FIELDS) profile[field] = row[field];
  return profile as Pick<UserRow, keyof Profile>;
}

/** A user's row as `User` (contract 1): a whitelist, so that no other column is exposed. Counters are clamped at 0. */
export const presentUser = (row: UserRow): User => ({
  id: row.id,
  keycloakId: row.keycloakId,
  email: row.email,
  profile: { ...profileOf(row), avatarUrl: shownUrl(row.avatarUrl) },
  stats: {
    interviewsCreated: Math.max(0, row.interviewsCreated),
    storageUsed: Math.max(0, row.storageUsed),
  },
  quotas: { maxInterviews: row.maxInterviews, maxStorage: row.maxStorage },
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

/** A user of a list; a deleted one has the time of its deletion. */
export const presentListed = (row: UserRow): ListedUser => ({
  ...presentUser(row),
  ...(row.deletedAt && { deletedAt: row.deletedAt.toISOString() }),
});

/** An entry of the history as it is stored. */
export type EntryRow = {
  version: number;
  at: Date;
  kind: Actor["kind"];
  by: string | null;
  eventId: string | null;
  traceId: string | null;
  changes: Changes;
};

/** @param show how the caller sees who made a change */
export const presentEntry = (
  { version, at, kind, by, eventId, traceId, changes }: EntryRow,
  show: (actor: Actor) => Actor,
): HistoryEntry => ({
  version,
  at: at.toISOString(),
  by: show(by === null ? { kind } : { kind, id: by }),
  eventId,
  traceId,
  changes,
});
