import type { UserRow } from "../../models/user.ts";
import { type ListedUser, PROFILE_FIELDS, type Profile, type User } from "./users.contract.ts";

const profileOf = (row: UserRow) =>
  Object.fromEntries(PROFILE_FIELDS.map((field) => [field, row[field]])) as Pick<UserRow, keyof Profile>;

/** A user's row as `User` (contract 1): a whitelist, so that no other column leaks out. Counters are clamped at 0. */
export const presentUser = (row: UserRow): User => ({
  id: row.id,
  keycloakId: row.keycloakId,
  email: row.email,
  profile: { ...profileOf(row), avatarUrl: row.avatarUrl },
  stats: {
    interviewsCreated: Math.max(0, row.interviewsCreated),
    storageUsed: Math.max(0, row.storageUsed),
  },
  quotas: { maxInterviews: row.maxInterviews, maxStorage: row.maxStorage },
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

/** A user of a list: a deleted one with the time of its deletion. */
export const presentListed = (row: UserRow): ListedUser => ({
  ...presentUser(row),
  ...(row.deletedAt && { deletedAt: row.deletedAt.toISOString() }),
});
