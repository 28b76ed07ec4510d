import type { Transaction } from "sequelize";
import { EmailTaken, KeycloakIdTaken } from "../../lib/contract/errors.ts";
import { inBatches } from "../../lib/runtime/batch.ts";
import { causeOf, type TracedCall } from "../../lib/tracing/cause.ts";
import { mayBeOfOne, sqlState } from "../../models/database.errors.ts";
import { query, type Statement } from "../../models/database.ts";
import { type Entry, entriesOf, recordEntries } from "../../models/history.ts";
import { columnsOfRecords, type OutboxRecord, toRecord, wakeRelay } from "../../models/outbox.ts";
import { fieldOf, USER_COLUMNS, type UserRow } from "../../models/user.ts";
import type { DomainEvent } from "../contracts.ts";
import { DEFAULT_QUOTAS, PROFILE_FIELDS } from "./users.contract.ts";
import { existingUser, type NewUser, newUser, type Wish } from "./users.rules.ts";

/** The values of a new row; all other columns have defaults. */
const GIVEN = [
  "id",
  "keycloakId",
  "email",
  ...PROFILE_FIELDS,
  ...(Object.keys(DEFAULT_QUOTAS) as (keyof typeof DEFAULT_QUOTAS)[]),
  "createdAt",
] as const satisfies (keyof NewUser)[];
const COLUMNS = GIVEN.map(fieldOf);

/** Rows, events and history in one statement. `rest` follows the rows that are inserted. */
const insertStatement = (name: string, rest: string) => ({
  name,
  text: `
    WITH created AS (
      INSERT INTO users (updated_at, ${COLUMNS})
      SELECT created_at, ${COLUMNS} FROM json_populate_recordset(NULL::users, $1)
      ${rest}
      RETURNING *
    ), events AS (
      INSERT INTO outbox (topic, key, value, traceparent)
      SELECT event.* FROM unnest($2::text[], $3::text[], $4::json[], $5::text[])
        AS event (topic, key, value, traceparent)
      JOIN created ON created.id::text = event.key
    ), history AS (
      ${recordEntries("created", "$6")}
    )
    SELECT ${USER_COLUMNS} FROM created`,
});
const INSERT = insertStatement("insert-user", "");
/** How long sign-ups of a moment wait together for a transaction that has not committed the same user yet, in ms. */
const WAIT_TOGETHER = 500;
const INSERT_FREE = insertStatement(
  "insert-users",
  `CROSS JOIN set_config('lock_timeout', '${WAIT_TOGETHER}', true) ON CONFLICT DO NOTHING`,
);

type SignUp = { user: NewUser; record: OutboxRecord; entries: Entry[] };

async function insert(statement: Statement, signUps: SignUp[], within?: Transaction): Promise<UserRow[]> {
  const rows = signUps.map(({ user }) =>
    Object.fromEntries(GIVEN.map((field) => [fieldOf(field), user[field]])),
  );
  const records = columnsOfRecords(signUps.map(({ record }) => record));
  const entries = signUps.flatMap((signUp) => signUp.entries);
  return query<UserRow>(statement, [JSON.stringify(rows), ...records, JSON.stringify(entries)], within);
}

/**
 * Sign-ups at the same moment share one statement, which leaves out those whose e-mail or keycloakId is taken. It leaves
 * out all of them if one fails it, or waits for another transaction for longer than WAIT_TOGETHER. A single sign-up is
 * left to a statement of its own, which waits as long as any other.
 */
const insertIfFree = inBatches(async (signUps: SignUp[]) => {
  if (signUps.length === 1) return [undefined];
  const rows = await insert(INSERT_FREE, signUps).catch((error) => {
    if (mayBeOfOne(error, signUps.length)) return [];
    throw error;
  });
  const created = new Map(rows.map((row) => [row.id, row]));
  return signUps.map(({ user }) => created.get(user.id));
});

/**
 * Stores a new user, its event and the first entry of its history.
 * @param within the transaction that it belongs to, if any
 * @throws EmailTaken, KeycloakIdTaken, DependencyUnavailable
 */
export async function insertUser(
  ctx: TracedCall,
  user: NewUser,
  event: DomainEvent,
  within?: Transaction,
): Promise<UserRow> {
  const record = toRecord(event, causeOf(ctx), user.createdAt);
  const signUp = { user, record, entries: entriesOf(ctx, {}, user, record.eventId) };
  const created = within ? undefined : await insertIfFree(signUp);
  // on its own, its error shows what is taken
  const [row] = created ? [created] : await insert(INSERT, [signUp], within).catch(refuseTaken(user));
  if (within) within.afterCommit(() => wakeRelay());
  else wakeRelay();
  return row as UserRow;
}

const FIND_TAKERS = {
  name: "find-takers",
  text: `
    SELECT ${USER_COLUMNS} FROM users
    WHERE deleted_at IS NULL AND (keycloak_id = $1 OR email_key(email) = email_key($2))`,
};

/** The maximum number of attempts, if others keep creating and deleting the same user. */
const ATTEMPTS = 5;

/**
 * The user with this keycloakId, created if missing. The unique indexes decide between parallel calls.
 * @param insert stores the new user
 * @throws EmailTaken if the e-mail belongs to another user, DependencyUnavailable, what `insert` throws
 */
export async function ensureUser(
  ctx: TracedCall,
  wish: Wish,
  insert = (user: NewUser, event: DomainEvent) => insertUser(ctx, user, event),
): Promise<{ row: UserRow; created: boolean }> {
  for (let attempts = 1; ; attempts++) {
    const takers = await query<UserRow>(FIND_TAKERS, [wish.keycloakId, wish.email]);
    const existing = existingUser(takers, wish);
    if (existing) return { row: existing, created: false };
    const { user, event } = newUser(wish, crypto.randomUUID(), new Date());
    try {
      return { row: await insert(user, event), created: true };
    } catch (error) {
      if (!isTaken(error) || attempts === ATTEMPTS) throw error;
    }
  }
}

const isTaken = (error: unknown) => error instanceof EmailTaken || error instanceof KeycloakIdTaken;

const UNIQUE_VIOLATION = "23505";

/** The partial unique indexes decide between parallel calls; the name of the violated one shows what was taken. */
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
