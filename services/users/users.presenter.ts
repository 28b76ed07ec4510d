import type { User } from "../../lib/contract/contracts.ts";
import type { UserRow } from "../../models/user.ts";

/** A user's row as `User` (SPEC 1): a whitelist, so that no other column leaks out. Counters are clamped at 0. */
export const presentUser = (row: UserRow): User => ({
  id: row.id,
  keycloakId: row.keycloakId,
  email: row.email,
  profile: {
    fullName: row.fullName,
    companyName: row.companyName,
    phone: row.phone,
    bio: row.bio,
    avatarUrl: row.avatarUrl,
  },
  stats: {
    interviewsCreated: Math.max(0, row.interviewsCreated),
    storageUsed: Math.max(0, row.storageUsed),
  },
  quotas: { maxInterviews: row.maxInterviews, maxStorage: row.maxStorage },
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
