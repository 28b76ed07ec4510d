import { type KeycloakAdmin, KeycloakUnavailable } from "../../lib/keycloak/admin.ts";
import type { Person } from "../../lib/keycloak/person.ts";
import { endNotFound, insertFound } from "./identities.hints.store.ts";
import { type Difference, LISTED_MAX, type Report } from "./identities.mirror.contract.ts";
import { differencesIn, mayDelete, type Seen, seenOf, stepsFor } from "./identities.mirror.rules.ts";
import {
  type Compared,
  countUsers,
  databaseTime,
  findDeleted,
  findGone,
  findKnown,
  noteListed,
} from "./identities.mirror.store.ts";

/** Compares all users with all people in Keycloak (contract 27). What differs becomes hints, which are then followed. */

export type Comparison = {
  /** Nothing changes but when users were last compared. */
  dryRun: boolean;
  /** How many users may be deleted, if it is not the limit of a sweep. */
  mayDelete?: number;
  /** Called with each page of people. */
  onPage?: () => Promise<unknown>;
};

/**
 * Compares everybody. Users who are gone are a difference only if Keycloak listed all its people, and are deleted only
 * if they are not more than may be.
 * @throws KeycloakUnavailable, also if the list is empty or incomplete; DependencyUnavailable
 */
export async function compareAll(keycloak: KeycloakAdmin, comparison: Comparison): Promise<Report> {
  const { dryRun, onPage } = comparison;
  const since = await databaseTime();
  const before = await keycloak.count();
  const report = newReport(await keycloak.lacksEvents());
  for await (const page of keycloak.people()) {
    await onPage?.();
    const { found, moved } = await comparePage(page);
    if (!dryRun) await insertFound([...found, ...moved].map((one) => hintOf(one)));
    add(report, page.length, found);
  }
  demandAll(report.people, before, await keycloak.count());
  const gone = (await findGone(since)).map((one): Difference => ({ kind: "gone", ...one }));
  const isRefused = gone.length > (comparison.mayDelete ?? mayDelete(await countUsers()));
  if (isRefused) report.refused = gone.length;
  add(report, 0, gone);
  if (dryRun) return report;
  await insertFound(gone.map((one) => hintOf(one, isRefused)));
  await endNotFound(since);
  return report;
}

/** People may come and go while they are listed; a list that is shorter than both counts was cut. */
function demandAll(people: number, before: number, after: number): void {
  if (people > 0 && people >= Math.min(before, after)) return;
  throw new KeycloakUnavailable(`Keycloak listed ${people} people of ${after}: nobody is taken for gone`);
}

/** Those whose change in Keycloak makes them what their users are already: only what was seen of them is outdated. */
type Moved = Pick<Difference, "keycloakId">;

/** Compares some people, and notes when. */
async function comparePage(page: Person[]): Promise<{ found: Difference[]; moved: Moved[] }> {
  const people = new Map(page.map((person) => [person.id, person])); // a page may have somebody twice
  const ids = [...people.keys()];
  const known = await findKnown(ids);
  const deleted = await findDeleted(ids.filter((id) => !known.has(id)));
  const found: Difference[] = [];
  const moved: Moved[] = [];
  const compared: Compared[] = [];
  for (const person of people.values()) {
    const { id: keycloakId, emailVerified, isService } = person;
    const one = known.get(keycloakId);
    if (!one && !isService && !deleted.has(keycloakId))
      found.push({ kind: "missing", keycloakId, userId: null });
    if (!one) continue;
    const kinds = differencesIn(stepsFor(person, one.user, one.seen));
    found.push(...kinds.map((kind) => ({ kind, keycloakId, userId: one.user.id })));
    const seen = kinds.length === 0 ? seenOf(person) : undefined;
    if (seen && one.seen && !isSame(seen, one.seen)) moved.push({ keycloakId });
    compared.push({ userId: one.user.id, version: one.user.version, emailVerified, seen });
  }
  await noteListed(compared);
  return { found, moved };
}

const isSame = (a: Seen, b: Seen): boolean => a.fullName === b.fullName && a.enabled === b.enabled;

const hintOf = ({ kind, keycloakId }: Moved & Partial<Difference>, isRefused = false) => ({
  key: `sweep:${keycloakId}`,
  kind: kind === "gone" ? ("deleted" as const) : ("changed" as const),
  keycloakId,
  difference: kind,
  isRefused,
});

const newReport = (lacksEvents: boolean): Report => ({
  people: 0,
  differences: [],
  counts: { missing: 0, gone: 0, name: 0, email: 0, status: 0 },
  refused: 0,
  lacksEvents,
});

function add(report: Report, people: number, found: Difference[]): void {
  report.people += people;
  report.differences.push(...found.slice(0, LISTED_MAX - report.differences.length));
  for (const { kind } of found) report.counts[kind] += 1;
}
