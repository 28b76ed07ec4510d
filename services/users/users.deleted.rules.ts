import type { Caller } from "../../lib/contract/caller.ts";
import { RestoreTooLate } from "../../lib/contract/errors.ts";
import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import type { Events } from "../contracts.ts";

/** Decisions about deleting and restoring users: pure (contract 25). */

/** A soft delete: the row stays, but is no longer a user. */
export const remove = (user: UserRow, reason: Events["user.deleted"]["reason"], now: Date): Change => ({
  set: { deletedAt: now },
  event: { eventType: "user.deleted", userId: user.id, data: { deletedAt: now.toISOString(), reason } },
});

const DAY = 86_400_000; // ms

/**
 * A deleted user is a user again, without the avatar, which the deletion erased.
 * @param withinDays after the deletion
 * @returns undefined if the user is not deleted
 * @throws RestoreTooLate
 */
export function restore(user: UserRow, withinDays: number, now: Date): Change | undefined {
  if (!user.deletedAt) return undefined;
  if (now.getTime() - user.deletedAt.getTime() > withinDays * DAY)
    throw new RestoreTooLate(user.id, withinDays);
  return {
    set: { deletedAt: null, avatarUrl: null, avatarKey: null, avatarSize: 0 },
    add: { storageUsed: -user.avatarSize },
    event: { eventType: "user.restored", userId: user.id, data: { restoredAt: now.toISOString() } },
  };
}

/** The reason for a deletion, which depends on the caller. */
export function removalReason(caller: Caller, keycloakId: string): Events["user.deleted"]["reason"] {
  if (caller.keycloak) return "identity_deleted";
  if (caller.internal) return "internal_request";
  return caller.user?.sub === keycloakId ? "user_request" : "admin_request";
}
