import type { Transaction } from "sequelize";
import { EmailTaken, KeycloakIdTaken } from "../../lib/contract/errors.ts";
import { query } from "../../models/database.ts";
import type { UserRow } from "../../models/user.ts";
import type { Inventory } from "./users.contract.ts";
import { IMPERSONAL } from "./users.erasure.rules.ts";

/** What is stored of a user outside of the row (contract 25). */

const ERASED_CHANGES = `(
  SELECT coalesce(jsonb_object_agg(field, '{"from": null, "to": null}'::jsonb), '{}')
  FROM jsonb_object_keys(changes) AS field
)`;

/** An SQL condition: a text contains one of the ids, in any case. */
const containsAny = (text: string, ids: string) =>
  `EXISTS (SELECT FROM unnest(${ids}::text[]) AS id WHERE strpos(lower(${text}), id) > 0)`;

/**
 * Where a user's id is $1. Of the outbox, $2 are the types that it keeps, and $3 the ids that name the user in events;
 * dead letters contain one of the ids $1, and are found by the UUIDs in it; only those of nodes of an older version have
 * no `uuids`. Stored answers contain one of the texts $1, in the spelling of the caller.
 */
const OF_USER = {
  outbox: `outbox WHERE (topic = 'user-events' AND key = $1 AND value ->> 'eventType' <> ALL($2::text[]))
    OR (topic LIKE '%-dlq' AND ${containsAny("value::text", "$3")})`,
  deadLetters: `dead_letters
    WHERE (uuids && uuids_in(array_to_string($1::text[], ' ')) OR uuids IS NULL)
      AND ${containsAny("encode(event, 'escape')", "$1")}`,
  identities: "identities WHERE user_id = $1",
  hints: "identity_hints WHERE keycloak_id = $1",
  answers: `idempotent_answers
    WHERE email_key(coalesce(answer #>> '{result,id}', answer #>> '{error,message}'))
      IN (SELECT email_key(text) FROM unnest($1::text[]) AS text)`,
};

/** How stored answers name a user: by the id, or because an e-mail or the keycloakId was taken when somebody asked. */
async function namesOf({ id, email, keycloakId }: UserRow, tx?: Transaction): Promise<string[]> {
  const text = `
    SELECT DISTINCT email FROM user_history, unnest(ARRAY[changes #>> '{email,from}', changes #>> '{email,to}']) AS email
    WHERE user_id = $1 AND changes ? 'email' AND email IS NOT NULL`;
  const earlier = await query<{ email: string }>({ name: "earlier-emails", text }, [id], tx);
  const emails = new Set([email, ...earlier.map((row) => row.email)]);
  return [
    id,
    new KeycloakIdTaken(keycloakId).message,
    ...[...emails].map((taken) => new EmailTaken(taken).message),
  ];
}

/** Keycloak's ids are a UUID or contain one. Any other text could be a part of any message. */
const HAS_UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

/** How events name a user: by our id, and those of Keycloak by theirs. */
const idsOf = ({ id, keycloakId }: UserRow): string[] =>
  HAS_UUID.test(keycloakId) ? [id, keycloakId.toLowerCase()] : [id];

/**
 * Erases what is stored of a user outside of the row.
 * @param user the row before it was erased
 */
export async function eraseTraces(tx: Transaction, user: UserRow): Promise<void> {
  const { id, keycloakId } = user;
  const names = await namesOf(user, tx); // the history still has the earlier e-mails
  const run = (name: string, text: string, values: unknown[]) => query({ name, text }, values, tx);
  await run(
    "erase-history",
    `UPDATE user_history SET by_id = nullif(by_id, $2), changes = ${ERASED_CHANGES} WHERE user_id = $1`,
    [id, keycloakId],
  );
  await run("erase-outbox", `DELETE FROM ${OF_USER.outbox}`, [id, IMPERSONAL, idsOf(user)]);
  await run("erase-dead-letters", `DELETE FROM ${OF_USER.deadLetters}`, [idsOf(user)]);
  await run("erase-identity", `DELETE FROM ${OF_USER.identities}`, [id]);
  await run("erase-hints", `DELETE FROM ${OF_USER.hints}`, [keycloakId]);
  await run("erase-answers", `DELETE FROM ${OF_USER.answers}`, [names]);
  await run("erase-holds", "DELETE FROM legal_holds WHERE user_id = $1", [id]);
}

/** How many rows of each place name a user. */
export async function countTraces(user: UserRow): Promise<Omit<Inventory, "erasure" | "hold" | "fields">> {
  const count = async (name: string, rows: string, values: unknown[]) => {
    const text = `SELECT count(*) AS count FROM ${rows}`;
    return (await query<{ count: number }>({ name, text }, values))[0]?.count ?? 0;
  };
  return {
    historyEntries: await count("count-history", "user_history WHERE user_id = $1", [user.id]),
    outboxRecords: await count("count-outbox", OF_USER.outbox, [user.id, IMPERSONAL, idsOf(user)]),
    deadLetters: await count("count-letters", OF_USER.deadLetters, [idsOf(user)]),
    identities: await count("count-identity", OF_USER.identities, [user.id]),
    identityHints: await count("count-hints", OF_USER.hints, [user.keycloakId]),
    storedAnswers: await count("count-answers", OF_USER.answers, [await namesOf(user)]),
  };
}
