import type { Transaction } from "sequelize";
import { EmailTaken, KeycloakIdTaken } from "../../lib/contract/errors.ts";
import type { Cause } from "../../lib/contract/events.ts";
import { sqlState } from "../../models/database.errors.ts";
import { query } from "../../models/database.ts";
import { toRecord, wakeRelay } from "../../models/outbox.ts";
import { USER_COLUMNS, type UserRow } from "../../models/user.ts";
import type { DomainEvent } from "../contracts.ts";
import type { NewUser } from "./users.rules.ts";

/** Row and event in one statement: half the cost of a transaction of two. */
const INSERT = {
  name: "insert-user",
  text: `
    WITH created AS (
      INSERT INTO users (id, keycloak_id, email, full_name, company_name, phone, bio, created_at, updated_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
      RETURNING *
    ), event AS (
      INSERT INTO outbox (topic, key, value, traceparent) SELECT $9, $10, $11::json, $12 FROM created
    )
    SELECT ${USER_COLUMNS} FROM created`,
};

/**
 * Stores a new user together with its event.
 * @param within the transaction that it belongs to, if any
 * @throws EmailTaken, KeycloakIdTaken, DependencyUnavailable
 */
export async function insertUser(
  user: NewUser,
  event: DomainEvent,
  cause: Cause,
  within?: Transaction,
): Promise<UserRow> {
  const { topic, key, value, traceparent } = toRecord(event, cause, user.createdAt);
  const { id, keycloakId, email, fullName, companyName, phone, bio, createdAt } = user;
  const row = [id, keycloakId, email, fullName, companyName, phone, bio, createdAt];
  const values = [...row, topic, key, value, traceparent];
  const [created] = await query<UserRow>(INSERT, values, within).catch(refuseTaken({ email, keycloakId }));
  if (within) within.afterCommit(() => wakeRelay());
  else wakeRelay();
  return created as UserRow;
}

const UNIQUE_VIOLATION = "23505";

/** The partial unique indexes decide who wins a race; the name of the violated one shows what was taken. */
export const refuseTaken =
  ({ email, keycloakId = "" }: { email: string; keycloakId?: string }) =>
  (error: unknown): never => {
    if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
    throw violated(error) === "idx_users_email" ? new EmailTaken(email) : new KeycloakIdTaken(keycloakId);
  };

function violated(error: unknown): string | undefined {
  const { constraint, parent } = error as { constraint?: string; parent?: { constraint?: string } };
  return parent?.constraint ?? constraint;
}
