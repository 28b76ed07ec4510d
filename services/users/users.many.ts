import { emailKey } from "../../lib/contract/email.ts";
import { UserNotFound, ValidationFailed } from "../../lib/contract/errors.ts";
import type { UserRow } from "../../models/user.ts";
import { findUsers, findUsersByEmail, findUsersByKeycloakId } from "../../models/user-row.ts";
import {
  type FoundUsers,
  LOOKUP_MAX,
  type Lookup,
  type Resolved,
  type ResolvedUser,
  type Resolving,
  splitNames,
  type User,
} from "./users.contract.ts";
import { cutToOneMessage, fitsOneMessage, sizeOfUser } from "./users.message.ts";
import { presentUser } from "./users.presenter.ts";

/** Many users at once (contract 23): one query per kind of key. */

/**
 * Users by ids, Keycloak ids and e-mails, each once, and the keys that belong to no user.
 * @throws ValidationFailed for more than 100 keys, DependencyUnavailable
 */
export async function lookUp({ ids = [], keycloakIds = [], emails = [] }: Lookup): Promise<FoundUsers> {
  const kinds = { ids, keycloakIds, emails };
  if (ids.length + keycloakIds.length + emails.length > LOOKUP_MAX)
    throw refuse(kinds, `must have at most ${LOOKUP_MAX} entries, together with the other lists`);
  const found = await Promise.all([
    findUsers(ids),
    findUsersByKeycloakId(keycloakIds),
    findUsersByEmail(emails),
  ]);
  const rows = [...new Map(found.flat().map((row) => [row.id, row])).values()];
  if (cutToOneMessage(rows, sizeOfUser).length < rows.length) throw refuse(kinds, TOO_LARGE);
  return {
    items: rows.map(presentUser),
    missing: {
      ids: missing(ids, rows, ({ id }) => id),
      keycloakIds: missing(keycloakIds, rows, ({ keycloakId }) => keycloakId),
      emails: missing(emails, rows, ({ email }) => emailKey(email), emailKey),
    },
  };
}

/** The requested keys that no row has, each once and as given. */
function missing(
  asked: string[],
  rows: UserRow[],
  keyOf: (row: UserRow) => string,
  compared = (key: string) => key,
): string[] {
  if (asked.length === 0) return [];
  const left = new Map(asked.map((key) => [compared(key), key]));
  for (const row of rows) left.delete(keyOf(row));
  return [...left.values()];
}

const TOO_LARGE = "the users found are more than one message holds: ask for fewer at once";

const refuse = (given: Record<string, string[]>, message: string) =>
  new ValidationFailed(
    Object.entries(given)
      .filter(([, keys]) => keys.length > 0)
      .map(([field]) => ({ field, message })),
  );

/**
 * Users by id, as moleculer-db's `get` returns them (its source, `_get`): one for one id, a list for a list, and with
 * `mapping` an object by id. Unknown ids of a list are left out.
 * @throws UserNotFound for one id that no user has, ValidationFailed, DependencyUnavailable
 */
export async function resolve({ id, mapping, fields }: Resolving): Promise<Resolved> {
  const ids = [id].flat();
  const names = fields === undefined ? undefined : [fields].flat().flatMap(splitNames);
  const rows = await findUsers(ids);
  if (rows.length === 0 && !Array.isArray(id)) throw new UserNotFound("ID", id);
  const users = new Map(rows.map((row) => [row.id, pick(presentUser(row), names)]));
  const byId = Object.fromEntries(users);
  if (!fitsOneMessage(byId)) throw refuse({ id: ids }, `${TOO_LARGE}, or name the \`fields\` that you need`);
  if (mapping) return byId;
  return Array.isArray(id) ? [...new Set(ids)].flatMap((id) => byId[id] ?? []) : (byId[id] as ResolvedUser);
}

/** The fields of a user with these names, such as `profile.fullName`; all fields if there are no names. */
function pick(user: User, names?: string[]): ResolvedUser {
  if (!names) return user;
  const picked: Record<string, unknown> = {};
  for (const name of names) {
    const [field = "", part] = name.split(".");
    const value = user[field as keyof User];
    picked[field] = part
      ? { ...(picked[field] as object), [part]: (value as Record<string, unknown>)[part] }
      : value;
  }
  return picked;
}
