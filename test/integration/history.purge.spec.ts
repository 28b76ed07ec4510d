import { beforeAll, expect, test } from "@jest/globals";
import { entriesOf } from "../helpers/history.ts";
import { person, requestsOf, service, withOneUser } from "../helpers/one-user.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 24: how long the history goes back. */

withOneUser({ HISTORY_KEEP_DAYS: "30" });
let purgeHistory: typeof import("../../services/users/users.history.ts").purgeHistory;
beforeAll(async () => {
  ({ purgeHistory } = await import("../../services/users/users.history.ts")); // reads the configuration
});

const { send, succeed } = requestsOf();
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
  await purgeHistory(30, { slice: 2, within: 0 }); // no time: nothing
  expect(await versionsOf()).toHaveLength(10);
  await purgeHistory(30, { slice: 2, within: 20_000 });
  expect(await versionsOf()).toEqual([7, 8, 9, 10]);
});

test("after a purge of the history, a user is known from the version before the oldest entry on", async () => {
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
