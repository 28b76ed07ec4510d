import type { ServiceBroker } from "moleculer";
import { call } from "../../lib/contract/call.ts";
import type { Meta } from "../../lib/contract/caller.ts";
import type { ActionError } from "../../lib/contract/failures.ts";
import type { KeycloakAdmin } from "../../lib/keycloak/admin.ts";
import type { Person } from "../../lib/keycloak/person.ts";
import type { DueHint } from "./identities.hints.store.ts";
import type { DifferenceKind } from "./identities.mirror.contract.ts";
import { newUserFor, type Steps, seenAfter, stepsFor } from "./identities.mirror.rules.ts";
import { findDeleted, findKnown, type Known, noteMirrored } from "./identities.mirror.store.ts";

/** Makes one user as the person is in Keycloak, by the actions that everybody else uses (contract 27). */

/** What still differs; `mayEnd`: a change of another user can end it. */
export type Rest = { difference?: DifferenceKind; mayEnd?: boolean };

const GONE: Rest = { difference: "gone", mayEnd: true };

/** Why a user is suspended whose account is disabled in Keycloak. */
const DISABLED = "identity_disabled";

type Broker = Pick<ServiceBroker, "call">;

/**
 * Reads a person from Keycloak and applies what changed there.
 * @param hints of this person, oldest first
 * @throws KeycloakUnavailable, DependencyUnavailable, VersionConflict if the user changes meanwhile; safe to repeat
 */
export async function mirrorPerson(broker: Broker, keycloak: KeycloakAdmin, hints: DueHint[]): Promise<Rest> {
  const cause = hints.findLast(({ isDeletion }) => isDeletion) ?? hints.at(-1);
  if (!cause) return {};
  const meta: Meta = { caller: { internal: true, keycloak: { eventId: cause.eventId ?? undefined } } };
  const person = await keycloak.person(cause.keycloakId);
  const known = (await findKnown([cause.keycloakId])).get(cause.keycloakId);
  if (!known) return person && !person.isService ? create(broker, person, meta, hints) : {};
  if (person) return follow(broker, person, known, meta, hints);
  return cause.isDeletion ? remove(broker, keycloak, known, meta) : GONE;
}

/** Deletes the user of a person who is gone, if Keycloak still shows another: an empty realm proves nothing. */
async function remove(broker: Broker, keycloak: KeycloakAdmin, { user }: Known, meta: Meta): Promise<Rest> {
  if (!(await showsAnother(keycloak, user.keycloakId))) return GONE;
  await call(broker, "users.remove", { id: user.id }, { meta });
  return {};
}

async function showsAnother(keycloak: KeycloakAdmin, keycloakId: string): Promise<boolean> {
  for await (const page of keycloak.people()) {
    const another = page.find(({ id }) => id !== keycloakId);
    if (another) return (await keycloak.person(another.id)) !== undefined;
  }
  return false;
}

/** Nobody is created who was deleted here. */
async function create(broker: Broker, person: Person, meta: Meta, hints: DueHint[]): Promise<Rest> {
  if ((await findDeleted([person.id])).size > 0) return {};
  const wish = newUserFor(person);
  if (!wish) return { difference: "missing" };
  const isCreated = await isFree(call(broker, "users.ensure", wish, { meta }));
  if (!isCreated) return { difference: "missing", mayEnd: true };
  const known = (await findKnown([person.id])).get(person.id);
  return known ? follow(broker, person, known, meta, hints) : {};
}

async function follow(
  broker: Broker,
  person: Person,
  { user, seen }: Known,
  meta: Meta,
  hints: DueHint[],
): Promise<Rest> {
  const { id, version } = user;
  const steps = stepsFor(person, user, seen);
  const hasEmail = await applyProfile(broker, version, { id, ...steps }, meta);
  if (steps.status === "suspended")
    await call(broker, "identities.suspend", { id, reason: DISABLED }, { meta });
  if (steps.status === "active") await call(broker, "identities.activate", { id }, { meta });
  const signedInAt = hints.map((hint) => hint.signedInAt).findLast((at) => at !== null);
  const { emailVerified } = person;
  await noteMirrored({
    userId: id,
    version,
    emailVerified,
    seen: seenAfter(person, steps, seen),
    signedInAt,
  });
  return hasEmail ? { difference: steps.refused[0] } : { difference: "email", mayEnd: true };
}

/** @returns whether the user has the e-mail now: if it belongs to another user, only the name is applied */
async function applyProfile(
  broker: Broker,
  ifVersion: number,
  { id, fullName, email }: Steps & { id: string },
  meta: Meta,
): Promise<boolean> {
  if (fullName === undefined && email === undefined) return true;
  const apply = (wish: { fullName?: string; email?: string }) =>
    call(broker, "users.follow", { id, ifVersion, ...wish }, { meta });
  if (await isFree(apply({ fullName, email }))) return true;
  if (fullName !== undefined) await apply({ fullName });
  return false;
}

/** Whether a change succeeds; false if the e-mail belongs to another user. @throws its other errors */
const isFree = (change: Promise<unknown>): Promise<boolean> =>
  change.then(
    () => true,
    (error: ActionError) => {
      if (error.type !== "EMAIL_TAKEN") throw error;
      return false;
    },
  );
