import type { Transaction } from "sequelize";
import { UUID } from "../../lib/contract/fields.ts";
import { objectStore } from "../../lib/object-store/object-store.ts";
import type { Listed } from "../../lib/object-store/object-store.types.ts";
import { query, transaction } from "../../models/database.ts";
import { arePicturesThere, removeUnreferenced } from "./avatars.pictures.ts";
import { keyOfObject, objectNames } from "./avatars.rules.ts";

/** What crashes left behind: objects that no user refers to, and, should it ever be, users whose pictures are gone. */
export type Findings = {
  /** How many objects were removed. */
  removed: number;
  /** The ids of users whose pictures are gone. */
  broken: string[];
};

/** An object may be put some time before a row refers to it; in ms. */
const ORPHAN_AGE = 3_600_000;
/** How many users are looked at together. */
const PAGE = 500;
/** A run stops after so many removals; the next one goes on. */
const MOST = 10_000;

/** One node at a time; any constant would do. */
const LOCK = 8_300_304;

type ByUser = Map<string, Listed[]>;

/**
 * Compares the store with the users, both in the order of the users' ids, removes orphans older than an hour and
 * reports broken references. Undefined where another node is at it.
 * @throws DependencyUnavailable
 */
export const reconcile = (now = new Date()): Promise<Findings | undefined> =>
  transaction(async (tx) => {
    if (!(await isFirst(tx))) return undefined;
    const findings: Findings = { removed: 0, broken: [] };
    let after = "00000000-0000-0000-0000-000000000000";
    for await (const { page, last } of pages()) {
      const keys = await keysOf(tx, after, last);
      findings.removed += await removeOrphans(page, keys, now);
      findings.broken.push(...(await brokenReferences(page, keys)));
      if (findings.removed >= MOST) break;
      after = last;
    }
    return findings;
  });

async function isFirst(tx: Transaction): Promise<boolean> {
  const text = "SELECT pg_try_advisory_xact_lock($1) AS first";
  const [row] = await query<{ first: boolean }>({ name: "lock-reconciler", text }, [LOCK], tx);
  return row?.first ?? false;
}

/** The store's objects by their users, some users at a time, and up to which id each page goes. */
async function* pages(): AsyncIterable<{ page: ByUser; last: string }> {
  let page: ByUser = new Map();
  let last = "";
  for await (const object of objectStore.list({})) {
    const [userId = ""] = object.name.split("/");
    if (!UUID.test(userId)) continue; // not ours
    if (page.size >= PAGE && userId !== last) {
      yield { page, last };
      page = new Map();
    }
    last = userId;
    page.set(userId, [...(page.get(userId) ?? []), object]);
  }
  yield { page, last: "ffffffff-ffff-ffff-ffff-ffffffffffff" };
}

/** To which pictures the users within a range of ids refer. */
async function keysOf(tx: Transaction, after: string, last: string): Promise<Map<string, string>> {
  const text = `
    SELECT id, avatar_key AS key FROM users
    WHERE id > $1 AND id <= $2 AND avatar_key IS NOT NULL AND deleted_at IS NULL`;
  const rows = await query<{ id: string; key: string }>({ name: "avatar-keys", text }, [after, last], tx);
  return new Map(rows.map(({ id, key }) => [id, key]));
}

async function removeOrphans(page: ByUser, keys: Map<string, string>, now: Date): Promise<number> {
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

/** A row may have changed since the store was listed: so a suspect is looked at again. */
async function brokenReferences(page: ByUser, keys: Map<string, string>): Promise<string[]> {
  const broken: string[] = [];
  for (const [userId, key] of keys) {
    const listed = new Set(page.get(userId)?.map(({ name }) => name));
    const isWhole = objectNames(key).every((name) => listed.has(name));
    if (!isWhole && !(await arePicturesThere(key))) broken.push(userId);
  }
  return broken;
}
