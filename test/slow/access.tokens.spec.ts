import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { TABLE } from "../helpers/access-table.ts";
import { badTokens } from "../helpers/bad-tokens.ts";
import { allRows, createUser, type Person } from "../helpers/people.ts";
import { requestAs } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Every route with every bad token; test/integration/access.spec.ts has some of them at each route. */

let service: TestService;
let stranger: Person;
let bad: Record<string, string>;
beforeAll(async () => {
  service = await startService();
  stranger = await createUser(service);
  bad = await badTokens();
});
afterAll(() => service.stop());

test.each(TABLE)("%s refuses each bad token and changes nothing", async (_, call, ...statuses) => {
  const nobody = statuses.at(-1);
  const before = await allRows(service);
  const answered: Record<string, unknown> = {};
  for (const [title, authorization] of Object.entries(bad))
    answered[title] = (await requestAs(service.url, { authorization }, call(stranger))).status;
  expect(answered).toEqual(Object.fromEntries(Object.keys(bad).map((title) => [title, nobody])));
  expect(await allRows(service)).toEqual(before);
});
