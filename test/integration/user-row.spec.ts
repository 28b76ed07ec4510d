import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { UserRow } from "../../models/user.ts";
import { createUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let findUser: typeof import("../../models/user-row.ts").findUser;
let changeUser: typeof import("../../models/change-user.ts").changeUser;
let query: typeof import("../../models/database.ts").query;
const living: string[] = [];
const missing: string[] = [crypto.randomUUID(), crypto.randomUUID()];

beforeAll(async () => {
  service = await startService({ env: { USER_CACHE_SECONDS: "0" } });
  ({ findUser } = await import("../../models/user-row.ts"));
  ({ changeUser } = await import("../../models/change-user.ts"));
  ({ query } = await import("../../models/database.ts"));
  for (let i = 0; i < 5; i++) living.push((await createUser(service)).id);
  const deleted = await createUser(service);
  await service.http.delete(`/api/v1/users/${deleted.id}`).set(service.internal).expect(200);
  missing.push(deleted.id);
});
afterAll(() => service.stop());

test("each of many reads of the same moment gets its own user, or none", async () => {
  const ids = fc.array(fc.constantFrom(...living, ...missing), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(ids, async (ids) => {
      const rows = await Promise.all(ids.map(findUser));
      expect(rows.map((row) => row?.id)).toEqual(ids.map((id) => (living.includes(id) ? id : undefined)));
    }),
    { numRuns: 50 },
  );
});

test("a read that is asked for after a change has committed sees it, also beside reads from before", async () => {
  const id = String(living[0]);
  for (let i = 0; i < 20; i++) {
    const before = findUser(id);
    await query({ name: "set-bio", text: "UPDATE users SET bio = $1 WHERE id = $2" }, [`Bio ${i}`, id]);
    const after = await findUser(id);
    expect(after?.bio).toBe(`Bio ${i}`);
    await before;
  }
});

test("reads of the same moment fail together if their query fails, and the next ones succeed", async () => {
  const reads = ["not-a-uuid", ...living].map(findUser);
  const outcomes = await Promise.allSettled(reads);
  expect(outcomes.map(({ status }) => status)).toEqual(Array(reads.length).fill("rejected"));
  expect((await Promise.all(living.map(findUser))).map((row) => row?.id)).toEqual(living);
});

describe("a change that is decided on an outdated row", () => {
  const outdated = async () => {
    const user = await findUser(String(living[1]));
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
  const callWith = (user: UserRow, ifVersion?: number) => ({
    id: "call",
    requestID: null,
    meta: {},
    params: { id: user.id, ifVersion },
    locals: { user },
  });

  test("is decided again on the present one, and keeps what was changed meanwhile", async () => {
    const user = await outdated();
    const row = await changeUser("users", callWith(user), () => ({ set: { bio: "Mine" } }));
    expect(row).toMatchObject({ bio: "Mine", companyName: "Of another node", version: user.version + 2 });
    expect(await findUser(user.id)).toEqual(row);
  });

  test("is saved if the present one has the version that the caller asked for", async () => {
    const user = await outdated();
    const call = callWith(user, user.version + 1);
    const row = await changeUser("users", call, () => ({ set: { bio: "Newer" } }));
    expect(row.version).toBe(user.version + 2);
  });

  test("is refused if only the outdated one has the version that the caller asked for", async () => {
    const user = await outdated();
    const refused = changeUser("users", callWith(user, user.version), () => ({ set: { bio: "Never" } }));
    await expect(refused).rejects.toMatchObject({ type: "VERSION_CONFLICT" });
    expect((await findUser(user.id))?.bio).not.toBe("Never");
  });

  test("is no change only if it changes nothing of the present one", async () => {
    const user = await outdated();
    const companyName = user.companyName;
    const decide = (row: UserRow) => (row.companyName === companyName ? undefined : { set: { companyName } });
    expect((await changeUser("users", callWith(user), decide)).companyName).toBe(companyName);
  });
});
