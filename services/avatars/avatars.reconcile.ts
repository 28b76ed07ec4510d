import type { Transaction } from "sequelize";
import { UUID } from "../../lib/contract/fields.ts";
import { objectStore } from "../../lib/object-store/object-store.ts";
import type { StoredObject } from "../../lib/object-store/object-store.types.ts";
import { query, transaction } from "../../models/database.ts";
import { isAvatarStored, removeUnreferenced } from "./avatars.objects.ts";
import { keyOfObject, objectNames } from "./avatars.rules.ts";

/** Compares the object store with the users: removes objects without a reference, and reports users without objects. */
export type Findings = {
  /** The number of removed objects. */
  removed: number;
  /** The ids of users whose avatar is not in the store. */
  broken: string[];
};

/** In ms. Younger objects may still get a reference. */
const ORPHAN_AGE = 3_600_000;
/** The number of users that are compared at once. */
const PAGE = 500;
/** A run ends after this number of removals; the next run continues. */
const REMOVALS_MAX = 10_000;

/** The advisory lock of the node that reconciles. */
const LOCK = 8_300_201;

type ObjectsByUser = Map<string, StoredObject[]>;

/**
 * Compares all objects and users, in the order of the users' ids. Returns undefined if another node is doing it.
 * @throws DependencyUnavailable
 */
export const reconcile = (now = new Date()): Promise<Findings | undefined> =>
  transaction(async (tx) => {
    if (!(await lockReconciler(tx))) return undefined;
    const findings: Findings = { removed: 0, broken: [] };
    let after = "00000000-0000-0000-0000-000000000000";
    for await (const { page, last } of pages()) {
      const keys = await keysOf(tx, after, last);
      findings.removed += await removeOrphans(page, keys, now);
      findings.broken.push(...(await brokenReferences(page, keys)));
      if (findings.removed >= REMOVALS_MAX) break;
      after = last;
    }
    return findings;
  });

async function lockReconciler(tx: Transaction): Promise<boolean> {
  const text = "SELECT pg_try_advisory_xact_lock($1) AS first";
  const [row] = await query<{ first: boolean }>({ name: "lock-reconciler", text }, [LOCK], tx);
  return row?.first ?? false;
}

/** The store's objects by user, a page of users at a time; `last` is the highest id of the page. */
async function* pages(): AsyncIterable<{ page: ObjectsByUser; last: string }> {
  let page: ObjectsByUser = new Map();
  let last = "";
  for await (const object of objectStore.list()) {
    const [userId = ""] = object.name.split("/");
    if (!UUID.test(userId)) continue; // not one of our objects
    if (page.size >= PAGE && userId !== last) {
      yield { page, last };
      page = new Map();
    }
    last = userId;
    page.set(userId, [...(page.get(userId) ?? []), object]);
  }
  yield { page, last: "ffffffff-ffff-ffff-ffff-ffffffffffff" };
}

/** The avatar keys, by user id, of the users in a range of ids. */
async function keysOf(tx: Transaction, after: string, last: string): Promise<Map<string, string>> {
  const text = `
    SELECT id, avatar_key AS key FROM users
    WHERE id > $1 AND id <= $2 AND avatar_key IS NOT NULL AND deleted_at IS NULL`;
  const rows = await query<{ id: string; key: string }>({ name: "avatar-keys", text }, [after, last], tx);
  return new Map(rows.map(({ id, key }) => [id, key]));
}

async function removeOrphans(page: ObjectsByUser, keys: Map<string, string>, now: Date): Promise<number> {
  let removed = 0;
  for (const [userId, objects] of page)
    for (const [key, ofKey] of Map.groupBy(objects, ({ name }) => keyOfObject(name))) {
      const isOld = ofKey.every(({ modifiedAt }) => now.getTime() - modifiedAt.getTime() > ORPHAN_AGE);
      if (key === keys.get(userId) || !isOld) continue;
      await removeUnreferenced(
        userId,
        key,
        ofKey.map(({ name }) => name),
      );
      removed += ofKey.length;
    }
  return removed;
}

/** Checks the store again, because a row may have changed since the listing. */
async function brokenReferences(page: ObjectsByUser, keys: Map<string, string>): Promise<string[]> {
  const broken: string[] = [];
  for (const [userId, key] of keys) {
    const listed = new Set(page.get(userId)?.map(({ name }) => name));
    const isWhole = objectNames(key).every((name) => listed.has(name));
    if (!isWhole && !(await isAvatarStored(key))) broken.push(userId);
  }
  return broken;
}
