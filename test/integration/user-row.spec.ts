import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let findUser: typeof import("../../models/user-row.ts").findUser;
let query: typeof import("../../models/database.ts").query;
const living: string[] = [];
const missing: string[] = [crypto.randomUUID(), crypto.randomUUID()];

beforeAll(async () => {
  service = await startService({ env: { USER_CACHE_SECONDS: "0" } });
  ({ findUser } = await import("../../models/user-row.ts"));
  ({ query } = await import("../../models/database.ts"));
  for (let i = 0; i < 5; i++) living.push((await createUser(service)).id);
  const deleted = await createUser(service);
  await service.http.delete(`/api/v1/users/${deleted.id}`).set(service.internal).expect(200);
  missing.push(deleted.id);
});
afterAll(() => service.stop());

test("each of many concurrent reads returns its own user, or none", async () => {
  const ids = fc.array(fc.constantFrom(...living, ...missing), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(ids, async (ids) => {
      const rows = await Promise.all(ids.map(findUser));
      expect(rows.map((row) => row?.id)).toEqual(ids.map((id) => (living.includes(id) ? id : undefined)));
    }),
    { numRuns: 50 },
  );
});

test("a read that starts after a commit returns the change, also together with earlier reads", async () => {
  const id = String(living[0]);
  for (let i = 0; i < 20; i++) {
    const before = findUser(id);
    await query({ name: "set-bio", text: "UPDATE users SET bio = $1 WHERE id = $2" }, [`Bio ${i}`, id]);
    const after = await findUser(id);
    expect(after?.bio).toBe(`Bio ${i}`);
    await before;
  }
});

test("concurrent reads fail together if their query fails, and later reads succeed", async () => {
  const reads = ["not-a-uuid", ...living].map(findUser);
  const outcomes = await Promise.allSettled(reads);
  expect(outcomes.map(({ status }) => status)).toEqual(Array(reads.length).fill("rejected"));
  expect((await Promise.all(living.map(findUser))).map((row) => row?.id)).toEqual(living);
});
