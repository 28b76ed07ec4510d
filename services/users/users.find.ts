import { literal, Op, type WhereOptions } from "sequelize";
import { UserNotFound } from "../../lib/contract/errors.ts";
import type { Reader } from "../../mixins/database.mixin.ts";
import { sequelize } from "../../models/connections.ts";
import { translate } from "../../models/database.errors.ts";
import { query } from "../../models/database.ts";
import type { User, UserRow } from "../../models/user.ts";

/** A user's e-mail, compared by the rule of its unique index. */
export const byEmail = (email: string): WhereOptions =>
  literal(`email_key(email) = email_key(${sequelize.escape(email)})`) as WhereOptions;

/** @throws UserNotFound, DependencyUnavailable */
export async function findByEmail({ adapter }: Reader<User>, email: string): Promise<UserRow> {
  const where = { [Op.and]: [{ deletedAt: null }, byEmail(email)] };
  const user = await adapter.findOne({ where }).catch((error) => {
    throw translate(error);
  });
  if (!user) throw new UserNotFound("email", email);
  return user.get();
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
