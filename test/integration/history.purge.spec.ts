import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { entriesOf } from "../helpers/history.ts";
import { createUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 24: HISTORY_KEEP_DAYS, as a node applies it. */

let service: TestService;
beforeAll(async () => {
  service = await startService({ env: { HISTORY_KEEP_DAYS: "30" } });
});
afterAll(() => service.stop());

test("HISTORY_KEEP_DAYS=30: a node that starts purges older entries, and keeps the others", async () => {
  const { id, headers } = await createUser(service);
  await service.http
    .patch(`/api/v1/users/${id}`)
    .set(headers)
    .send({ profile: { bio: "new" } })
    .expect(200);
  await service.database.sql(
    "UPDATE user_history SET at = at - interval '31 days' WHERE user_id = $1 AND version = 1",
    [id],
  );
  const users = service.broker.getLocalService("users");
  await service.broker.destroyService(users);
  service.broker.createService(users.originalSchema);
  await waitFor(async () => (await entriesOf(service, id)).length === 1);
  expect(await entriesOf(service, id)).toMatchObject([{ version: 2 }]);
});
