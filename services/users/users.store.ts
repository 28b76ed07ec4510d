import type { Transaction } from "sequelize";
import { EmailTaken, KeycloakIdTaken } from "../../lib/contract/errors.ts";
import type { Cause } from "../../lib/contract/events.ts";
import { sqlState } from "../../models/database.errors.ts";
import { query } from "../../models/database.ts";
import { toRecord, wakeRelay } from "../../models/outbox.ts";
import { fieldOf, USER_COLUMNS, type UserRow } from "../../models/user.ts";
import type { DomainEvent } from "../contracts.ts";
import { PROFILE_FIELDS } from "./users.contract.ts";
import { existingUser, type NewUser, newUser, type Wish } from "./users.rules.ts";

/** What a new row is given; all other columns have defaults. */
const GIVEN = [
  "createdAt",
  "id",
  "keycloakId",
  "email",
  ...PROFILE_FIELDS,
] as const satisfies (keyof NewUser)[];

/** Row and event in one statement: half the cost of a transaction of two. Both times are $5, the createdAt. */
const INSERT = {
  name: "insert-user",
  text: `
    WITH created AS (
      INSERT INTO users (updated_at, ${GIVEN.map(fieldOf)})
      VALUES ($5, ${GIVEN.map((_, index) => `$${index + 5}`)})
      RETURNING *
    ), event AS (
      INSERT INTO outbox (topic, key, value, traceparent) SELECT $1, $2, $3::json, $4 FROM created
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
  const values = [topic, key, value, traceparent, ...GIVEN.map((field) => user[field])];
  const [created] = await query<UserRow>(INSERT, values, within).catch(refuseTaken(user));
  if (within) within.afterCommit(() => wakeRelay());
  else wakeRelay();
  return created as UserRow;
}

const FIND_TAKERS = {
  name: "find-takers",
  text: `
    SELECT ${USER_COLUMNS} FROM users
    WHERE deleted_at IS NULL AND (keycloak_id = $1 OR email_key(email) = email_key($2))`,
};

/** How often a creation is tried that others, who create and delete the same user, get ahead of. */
const ATTEMPTS = 5;

/**
 * The user with this keycloakId, created if there is none. The unique indexes decide among parallel calls.
 * @throws EmailTaken if the e-mail belongs to another user, DependencyUnavailable
 */
export async function ensureUser(wish: Wish, cause: Cause): Promise<{ row: UserRow; created: boolean }> {
  for (let attempts = 1; ; attempts++) {
    const takers = await query<UserRow>(FIND_TAKERS, [wish.keycloakId, wish.email]);
    const existing = existingUser(takers, wish);
    if (existing) return { row: existing, created: false };
    const { user, event } = newUser(wish, crypto.randomUUID(), new Date());
    try {
      return { row: await insertUser(user, event, cause), created: true };
    } catch (error) {
      if (!isTaken(error) || attempts === ATTEMPTS) throw error;
    }
  }
}

const isTaken = (error: unknown) => error instanceof EmailTaken || error instanceof KeycloakIdTaken;

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
