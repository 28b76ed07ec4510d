import { UserNotFound } from "../../lib/contract/errors.ts";
import { query } from "../../models/database.ts";
import type { UserRow } from "../../models/user.ts";
import { findUserByEmail } from "../../models/user-row.ts";

/** @throws UserNotFound, DependencyUnavailable */
export async function findByEmail(email: string): Promise<UserRow> {
  const user = await findUserByEmail(email);
  if (!user) throw new UserNotFound("email", email);
  return user;
}

/**
 * The id of the user with a keycloakId, or of the one that was deleted last.
 * @throws UserNotFound, DependencyUnavailable
 */
export async function findPerson(keycloakId: string): Promise<{ id: string }> {
  const text = `
    SELECT id, deleted_at FROM users WHERE keycloak_id = $1 AND deleted_at IS NULL
    UNION ALL
    SELECT id, deleted_at FROM users WHERE keycloak_id = $1 AND deleted_at IS NOT NULL
    ORDER BY deleted_at DESC NULLS FIRST LIMIT 1`;
  const [person] = await query<{ id: string }>({ name: "find-person", text }, [keycloakId]);
  if (!person) throw new UserNotFound("Keycloak ID", keycloakId);
  return { id: person.id };
}
