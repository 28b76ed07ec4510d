import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { UserRow } from "../../models/user.ts";
import { blockEmail } from "../helpers/block-email.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { createUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** What services that change users can rely on in models/change-user.ts. */

const events = collectEvents();
let service: TestService;
let findUser: typeof import("../../models/user-row.ts").findUser;
let changeUser: typeof import("../../models/change-user.ts").changeUser;
let query: typeof import("../../models/database.ts").query;
let [one, two, three] = ["", "", ""];

beforeAll(async () => {
  service = await startService({ env: { USER_CACHE_SECONDS: "0" }, services: [events.schema] });
  ({ findUser } = await import("../../models/user-row.ts"));
  ({ changeUser } = await import("../../models/change-user.ts"));
  ({ query } = await import("../../models/database.ts"));
  const users = await Promise.all([createUser(service), createUser(service), createUser(service)]);
  [one = "", two = "", three = ""] = users.map(({ id }) => id);
  await outboxEmpty(service.database);
});
afterAll(() => service.stop());

async function userOf(id: string): Promise<UserRow> {
  const user = await findUser(id);
  if (!user) throw new Error("There is no such user");
  return user;
}

const callWith = (user: UserRow, ifVersion?: number) => ({
  id: "call",
  requestID: null,
  meta: {},
  params: { id: user.id, ifVersion },
  locals: { user },
});

const withBio = (bio: string) => (user: UserRow) => ({
  set: { bio },
  event: { eventType: "user.updated" as const, userId: user.id, data: { changes: { bio } } },
});

describe("changes of the same moment", () => {
  /** The kinds of changes: the call, and the expected outcome. */
  const KINDS = {
    good: {
      ask: (user: UserRow, bio: string) => changeUser("users", callWith(user), withBio(bio)),
      outcome: (bio: string) => ({ value: { bio } }),
    },
    outdated: {
      ask: (user: UserRow, bio: string) =>
        changeUser("users", callWith({ ...user, version: user.version - 1 }), withBio(bio)),
      outcome: (bio: string) => ({ value: { bio } }),
    },
    unread: {
      ask: (user: UserRow, bio: string) =>
        changeUser("users", { ...callWith(user), locals: {} }, withBio(bio)),
      outcome: (bio: string) => ({ value: { bio } }),
    },
    nothing: {
      ask: (user: UserRow) => changeUser("users", callWith(user), () => undefined),
      outcome: () => ({ status: "fulfilled" }),
    },
    "another version": {
      ask: (user: UserRow, bio: string) => changeUser("users", callWith(user, 999_999), withBio(bio)),
      outcome: () => ({ reason: { type: "VERSION_CONFLICT" } }),
    },
    "too long": {
      ask: (user: UserRow, bio: string) =>
        changeUser("users", callWith(user), (row) => ({
          ...withBio(bio)(row),
          set: { fullName: "x".repeat(300) },
        })),
      outcome: () => ({ reason: { code: "22001" } }),
    },
  };
  type Kind = keyof typeof KINDS;
  const wish = fc.record({
    place: fc.nat(2),
    kind: fc.oneof(
      { arbitrary: fc.constant<Kind>("good"), weight: 10 },
      { arbitrary: fc.constantFrom<Kind>("outdated", "unread", "nothing", "another version"), weight: 3 },
      { arbitrary: fc.constant<Kind>("too long"), weight: 1 },
    ),
  });

  test("have their own outcomes, events and history entries, in the order of their versions", async () => {
    const ids = [one, two, three];
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { minLength: 1, maxLength: 20 }), async (wishes) => {
        const users = await Promise.all(ids.map(userOf));
        const before = events.received.length;
        const bios = wishes.map(() => crypto.randomUUID());
        const outcomes = await Promise.allSettled(
          wishes.map(({ place, kind }, index) =>
            KINDS[kind].ask(users[place] as UserRow, bios[index] as string),
          ),
        );

        expect(outcomes).toMatchObject(
          wishes.map(({ kind }, index) => KINDS[kind].outcome(bios[index] as string)),
        );
        await outboxEmpty(service.database);
        for (const [place, user] of users.entries()) {
          const changed = outcomes.flatMap((outcome, index) => {
            const ofUser = wishes[index]?.place === place && wishes[index]?.kind !== "nothing";
            return ofUser && outcome.status === "fulfilled" ? [outcome.value] : [];
          });
          const inOrder = changed.toSorted((a, b) => a.version - b.version);
          expect(inOrder.map(({ version }) => version)).toEqual(inOrder.map((_, i) => user.version + 1 + i));
          const received = events.received.slice(before).filter(({ userId }) => userId === user.id);
          expect(received.map(({ data }) => data)).toEqual(inOrder.map(({ bio }) => ({ changes: { bio } })));
          const entries = await service.database.sql<{ to: string }>(
            `SELECT changes->'bio'->>'to' AS to FROM user_history
             WHERE user_id = $1 AND version > $2 ORDER BY version`,
            [user.id, user.version],
          );
          expect(entries.map(({ to }) => to)).toEqual(inOrder.map(({ bio }) => bio));
          expect(await findUser(user.id)).toEqual(inOrder.at(-1) ?? user);
        }
      }),
      { numRuns: 30 },
    );
  }, 60_000);

  test("wait only if their own user's row is locked", async () => {
    const users = await Promise.all([one, two, three].map(userOf));
    const holder = await service.database.begin();
    await holder.query("SELECT FROM users WHERE id = $1 FOR UPDATE", [one]);
    const [waiting, ...others] = users.map((user) =>
      changeUser("users", callWith(user), withBio("Together")),
    );
    expect(await Promise.all(others)).toMatchObject([{ bio: "Together" }, { bio: "Together" }]);
    await waitFor(() => service.database.someoneWaits());
    await holder.end();
    expect(await waiting).toMatchObject({ bio: "Together" });
  });

  test("of a user whose row somebody has locked, however many, leave connections for those of others", async () => {
    const [locked, free] = await Promise.all([one, two].map(userOf));
    if (!locked || !free) throw new Error("There are two");
    const holder = await service.database.begin();
    await holder.query("SELECT FROM users WHERE id = $1 FOR UPDATE", [locked.id]);
    const waiting = Array.from({ length: 50 }, () =>
      changeUser("users", callWith(locked), withBio(crypto.randomUUID())),
    );
    await waitFor(() => service.database.someoneWaits());
    const start = performance.now();
    const outdated = callWith({ ...free, version: free.version - 1 });
    expect(await changeUser("users", outdated, withBio("At once"))).toMatchObject({ bio: "At once" });
    expect(performance.now() - start).toBeLessThan(1_500); // half the time limit of a statement
    await holder.end();
    const versions = (await Promise.all(waiting)).map(({ version }) => version);
    expect(versions).toEqual(versions.map((_, index) => locked.version + 1 + index));
  });

  test("do not wait for an e-mail that a transaction has not committed", async () => {
    const users = await Promise.all([one, two, three].map(userOf));
    const holder = await blockEmail(service.database, "wanted@example.com");
    const start = performance.now();
    const [waiting, ...others] = users.map((user) =>
      changeUser("users", callWith(user), () => ({
        set: user.id === one ? { email: "wanted@example.com" } : { bio: "Not the e-mail" },
      })),
    );
    expect(await Promise.all(others)).toMatchObject([{ bio: "Not the e-mail" }, { bio: "Not the e-mail" }]);
    expect(performance.now() - start).toBeLessThan(1_500); // half the time limit of a statement
    await waitFor(() => service.database.someoneWaits());
    await holder.end();
    expect(await waiting).toMatchObject({ email: "wanted@example.com" });
  });

  test("do not wait for transactions that only reference the user by a foreign key", async () => {
    const user = await userOf(one);
    const holder = await service.database.begin();
    await holder.query("SELECT FROM users WHERE id = $1 FOR KEY SHARE", [one]);
    expect(await changeUser("users", callWith(user), withBio("At once"))).toMatchObject({ bio: "At once" });
    await holder.end();
  });
});

describe("a change that is decided on an outdated row", () => {
  const outdated = async () => {
    const user = await findUser(one);
    if (!user) throw new Error("There is no such user");
    await query(
      {
        name: "set-company",
        text: "UPDATE users SET company_name = $1, version = version + 1 WHERE id = $2",
      },
      ["Of another node", user.id],
    );
    return user;
  };
  test("is decided again on the current row, and keeps the changes of others", async () => {
    const user = await outdated();
    const row = await changeUser("users", callWith(user), () => ({ set: { bio: "Mine" } }));
    expect(row).toMatchObject({ bio: "Mine", companyName: "Of another node", version: user.version + 2 });
    expect(await findUser(user.id)).toEqual(row);
  });

  test("is saved if the current row has the version that the caller requires", async () => {
    const user = await outdated();
    const call = callWith(user, user.version + 1);
    const row = await changeUser("users", call, () => ({ set: { bio: "Newer" } }));
    expect(row.version).toBe(user.version + 2);
  });

  test("is refused if only the outdated row has the version that the caller requires", async () => {
    const user = await outdated();
    const refused = changeUser("users", callWith(user, user.version), () => ({ set: { bio: "Never" } }));
    await expect(refused).rejects.toMatchObject({ type: "VERSION_CONFLICT" });
    expect((await findUser(user.id))?.bio).not.toBe("Never");
  });

  test("is skipped only if it would not change the current row", async () => {
    const user = await outdated();
    const companyName = user.companyName;
    const decide = (row: UserRow) => (row.companyName === companyName ? undefined : { set: { companyName } });
    expect((await changeUser("users", callWith(user), decide)).companyName).toBe(companyName);
  });
});
