import { beforeAll, describe, expect, test } from "@jest/globals";
import type { HistoryEntry } from "../../services/users/users.contract.ts";
import { entriesOf } from "../helpers/history.ts";
import { admin, person, requestsOf, service, USERS, withOneUser } from "../helpers/one-user.ts";
import type { Headers } from "../helpers/request.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 24: the list of a user's history, and how long it is kept. */

withOneUser({ HISTORY_KEEP_DAYS: "30" });

const { ask, send, succeed } = requestsOf();
const listed = async (rest = "", headers?: Headers) =>
  (await send("GET", `/history${rest}`, undefined, headers)).body as unknown as {
    items: HistoryEntry[];
    nextCursor: string | null;
  };

describe("GET /users/:id/history", () => {
  test("lists the entries newest first, and a page ends with the cursor of the next one", async () => {
    for (const n of Array(6).keys()) await succeed("PATCH", "", { profile: { bio: String(n) } });
    const all = (await entriesOf(service, person.id)).reverse();
    expect(await listed()).toEqual({ items: all, nextCursor: null });
    const pages = [];
    for (let cursor = ""; pages.length < 9; ) {
      const page = await listed(`?limit=3${cursor}`);
      pages.push(page.items);
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
      await succeed("PATCH", "", { profile: { bio: `between ${cursor}` } }); // moves nothing
    }
    expect(pages).toEqual([all.slice(0, 3), all.slice(3, 6), all.slice(6)]);
  });

  test("returns at most 20 entries, or limit, which is at most 100, and fewer if they would not fit into one message", async () => {
    await service.database.sql(
      `INSERT INTO user_history (user_id, version, at, by_kind, changes)
       SELECT $1, n, now(), 'user', jsonb_build_object('bio', jsonb_build_object('from', repeat('ä', 4000), 'to', repeat('ö', 4000)))
       FROM generate_series(2, 150) AS n`,
      [person.id],
    );
    expect((await listed()).items).toHaveLength(20);
    const { items, nextCursor } = await listed("?limit=100");
    expect(items.length).toBeGreaterThan(40);
    expect(items.length).toBeLessThan(100);
    expect(nextCursor).toBe(String(items.at(-1)?.version));
    expect((await listed(`?limit=100&cursor=${nextCursor}`)).items[0]?.version).toBe(Number(nextCursor) - 1);
  });

  test("shows admins and services to the owner without ids, and to admins and services with ids", async () => {
    await succeed("PATCH", "", { profile: { bio: "by an admin" } }, admin);
    await succeed("PATCH", "", { profile: { bio: "for an admin" } }, { ...service.internal, ...admin });
    const seenBy = async (headers: Headers) => (await listed("", headers)).items.map(({ by }) => by);
    const own = { kind: "user", id: person.keycloakId };
    expect(await seenBy(person.headers)).toEqual([{ kind: "internal" }, { kind: "admin" }, own]);
    const whole = [{ kind: "internal", id: "an-admin" }, { kind: "admin", id: "an-admin" }, own];
    for (const headers of [admin, service.internal]) expect(await seenBy(headers)).toEqual(whole);
  });

  test.each([
    "limit=0",
    "limit=101",
    "limit=x",
    "cursor=0",
    "cursor=x",
    "cursor=-1",
    "cursor=1e3",
    "cursor=",
    "sort=at",
  ])("with %s is 400", async (query) => {
    const { status, body } = await ask({ path: `${USERS}/${person.id}/history?${query}` });
    expect([status, body.details]).toEqual([
      400,
      [{ field: query.split("=")[0], message: expect.any(String) }],
    ]);
  });

  test("is 404 for a user that does not exist or was deleted", async () => {
    await succeed("DELETE", "");
    for (const id of [person.id, crypto.randomUUID()]) {
      const { status, body } = await ask({ path: `${USERS}/${id}/history` });
      expect([status, body.message]).toEqual([404, `User with ID ${id} not found`]);
    }
  });
});

let purgeHistory: typeof import("../../services/users/users.history.ts").purgeHistory;
beforeAll(async () => {
  ({ purgeHistory } = await import("../../services/users/users.history.ts")); // after the variables are set, because the import reads the configuration
});

const change = (bio: string) => succeed("PATCH", "", { profile: { bio } });
const ageBy31Days = (...versions: number[]) =>
  service.database.sql(
    "UPDATE user_history SET at = at - interval '31 days' WHERE user_id = $1 AND version = ANY($2)",
    [person.id, versions],
  );
const versionsOf = async () => (await entriesOf(service, person.id)).map(({ version }) => version);

test("a purge of the history deletes older entries in slices, and keeps the others", async () => {
  for (const n of Array(9).keys()) await change(String(n));
  await ageBy31Days(1, 2, 3, 4, 5, 6);
  await purgeHistory(30, { slice: 2, within: 0 }); // no time left: deletes nothing
  expect(await versionsOf()).toHaveLength(10);
  await purgeHistory(30, { slice: 2, within: 20_000 });
  expect(await versionsOf()).toEqual([7, 8, 9, 10]);
});

test("after a purge of the history, versions are available from the one before the oldest entry", async () => {
  for (const bio of ["a", "b", "c"]) await change(bio);
  await ageBy31Days(1, 2, 3);
  await purgeHistory(30);
  const at = (version: number) => send("GET", `?version=${version}`);
  expect((await at(3)).body.profile).toMatchObject({ bio: "b" });
  expect((await at(2)).status).toBe(404);
  await ageBy31Days(4);
  await purgeHistory(30);
  expect((await at(4)).body.profile).toMatchObject({ bio: "c" });
  expect((await at(3)).status).toBe(404);
});

test("HISTORY_KEEP_DAYS=30: a node that starts purges older entries, and keeps the others", async () => {
  await change("new");
  await ageBy31Days(1);
  const users = service.broker.getLocalService("users");
  await service.broker.destroyService(users);
  service.broker.createService(users.originalSchema);
  await waitFor(async () => (await versionsOf()).length === 1);
  expect(await versionsOf()).toEqual([2]);
});
