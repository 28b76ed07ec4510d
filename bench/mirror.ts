import { setTimeout as sleep } from "node:timers/promises";
import { startFakeKeycloak } from "../test/helpers/fake-keycloak.ts";
import { compareRequests } from "./compare.ts";
import { readOneself } from "./get.ts";
import type { Part } from "./part.ts";
import { seedUsers } from "./seed.ts";
import { startService } from "./servers.ts";

/** `GET /users/:id` while the service follows Keycloak, after it has compared everybody; against without. */
export const mirror: Part = async (bench) => {
  const database = await bench.databases.create("mirror");
  await seedUsers(database, 10_000);
  const keycloak = await startFakeKeycloak();
  const users = await database.sql<{ id: string; email: string }>(
    "SELECT keycloak_id AS id, email FROM users",
  );
  for (const user of users) keycloak.add(user);
  const requests = await readOneself(database);
  const off = await startService(database.env);
  const on = await startService({
    ...database.env,
    AUTH_JWKS_URL: `${keycloak.url}/realms/test/protocol/openid-connect/certs`,
    KEYCLOAK_ADMIN_CLIENT_ID: "bench",
    KEYCLOAK_ADMIN_CLIENT_SECRET: "a-secret",
  });
  const compared = "SELECT FROM identities HAVING count(*) = $1";
  while ((await database.sql(compared, [users.length])).length === 0) await sleep(100);
  const measurements = await compareRequests(
    bench,
    "GET /users/:id, in step with Keycloak; without",
    { atLeast: 0.97 },
    { server: on, requests },
    { server: off, requests },
  );
  await Promise.all([on.stop(), off.stop()]);
  await keycloak.stop();
  return measurements;
};
