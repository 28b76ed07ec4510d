import type { Caller } from "../lib/contract/caller.ts";
import { completePreferences, PROFILE_FIELDS } from "../services/users/users.fields.ts";
import type { Actor, Changes, Value } from "../services/users/users.history.contract.ts";
import type { UserRow } from "./user.ts";

/** What the history says about a change, from the rows before and after it, and back again (contract 24). */

/** The columns whose changes are recorded. Counters are not. */
const RECORDED = [
  "keycloakId",
  "email",
  ...PROFILE_FIELDS,
  "avatarUrl",
  "preferences",
  "maxInterviews",
  "maxStorage",
  "status",
  "statusReason",
  "deletedAt",
] as const satisfies readonly (keyof UserRow)[];
type Column = (typeof RECORDED)[number];
/** A row, as far as it is recorded; before the creation nothing of it is there. */
export type Recorded = Partial<Pick<UserRow, Column>>;

/** The recorded fields that differ between two rows, with both values. */
export function changesBetween(before: Recorded, after: Recorded): Changes {
  const changes: Changes = {};
  for (const column of RECORDED) {
    if (before[column] === after[column]) continue;
    const from = fieldsOf(before, column);
    for (const [field, to] of Object.entries(fieldsOf(after, column)))
      if (from[field] !== to) changes[field] = { from: from[field] ?? null, to };
  }
  return changes;
}

/** Each preference is a field of its own. Preferences and the status have their defaults until they are set. */
function fieldsOf(row: Recorded, column: Column): Record<string, Value> {
  if (column === "preferences") return flat(completePreferences(row.preferences), "preferences.");
  if (column === "status") return { status: row.status ?? "active" };
  const value = row[column] ?? null;
  return { [column]: value instanceof Date ? value.toISOString() : value };
}

/** The values of nested objects by dotted names. */
const flat = (values: object, prefix: string): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]): [string, Value][] =>
      typeof value === "object" ? Object.entries(flat(value, `${prefix}${name}.`)) : [[prefix + name, value]],
    ),
  );

/** A user's row with the profile, the e-mail, the preferences and the quotas that it had, given by the dotted names. */
export function asItWas(row: UserRow, { deletedAt, ...past }: Record<string, Value>): UserRow {
  const then = { ...row, preferences: completePreferences(row.preferences) };
  for (const [field, value] of Object.entries(past)) put(then, field.split("."), value);
  return then;
}

function put(values: Record<string, unknown>, [name = "", ...rest]: string[], value: Value): void {
  if (rest.length > 0) put(values[name] as Record<string, unknown>, rest, value);
  else values[name] = value;
}

/** Who makes a change: an admin who changes their own user is that user. `id` is the `sub` of the token. */
export const actorOf = ({ internal, user, keycloak }: Caller, keycloakId: string): Actor => ({
  kind: keycloak ? "keycloak" : internal ? "internal" : user?.sub === keycloakId ? "user" : "admin",
  id: user?.sub,
});
