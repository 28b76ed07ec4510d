import type { Identity } from "../services/identities/identities.contract.ts";
import { query } from "./database.ts";
import type { UserRow } from "./user.ts";

/** Finds the identity of a user: the status in the row, and what is known from Keycloak (contract 27). */

const FIND = {
  name: "find-identity",
  text: `
    SELECT email_verified AS "emailVerified", last_seen_at AS "lastSeenAt", last_synced_at AS "lastSyncedAt"
    FROM identities WHERE user_id = $1`,
};
type Known = { emailVerified: boolean | null; lastSeenAt: Date | null; lastSyncedAt: Date | null };

/** @throws DependencyUnavailable */
export async function findIdentity({ id, status, statusReason }: UserRow): Promise<Identity> {
  const [known] = await query<Known>(FIND, [id]);
  return {
    status,
    reason: statusReason,
    emailVerified: known?.emailVerified ?? null,
    lastSeenAt: known?.lastSeenAt?.toISOString() ?? null,
    lastSyncedAt: known?.lastSyncedAt?.toISOString() ?? null,
  };
}
