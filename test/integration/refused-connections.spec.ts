import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { postUser } from "../helpers/process.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The database refuses new connections while the service runs, until an operator repairs the cause. */
const role = `role_${crypto.randomUUID().slice(0, 8)}`;
let server: TestDatabase;
let service: TestService;
let person: Person;
beforeAll(async () => {
  server = await createDatabase({ migrated: false });
  await server.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'first' IN ROLE runtime`);
  service = await startService({ env: { DATABASE_USER: role, DATABASE_PASSWORD: "first" } });
  person = await createUser(service);
});
afterAll(async () => {
  await service.stop();
  await server.sql(`DROP ROLE ${role}`);
  await server.drop();
});

/** Requests that use a statement, a transaction, and a query of Sequelize. */
async function answers(): Promise<{ status: number; retryAfter: string | undefined }[]> {
  const created = await postUser(service.url);
  const quotas = `/api/v1/users/${person.id}/quotas`;
  const others = [
    await service.http.patch(quotas).set(service.internal).send({ maxInterviews: 5 }),
    await service.http.get("/api/v1/users").set(service.internal),
  ];
  return [
    { status: created.status, retryAfter: created.retryAfter ?? undefined },
    ...others.map(({ status, headers }) => ({ status, retryAfter: headers["retry-after"] })),
  ];
}
const statuses = async () => (await answers()).map(({ status }) => status);

const name = () => service.database.env.DATABASE_NAME;

test.each<[string, () => string, () => string]>([
  [
    "the password was changed",
    () => `ALTER ROLE ${role} PASSWORD 'second'`,
    () => `ALTER ROLE ${role} PASSWORD 'first'`,
  ],
  ["the role has no right to log in", () => `ALTER ROLE ${role} NOLOGIN`, () => `ALTER ROLE ${role} LOGIN`],
  [
    "the role has no connections left",
    () => `ALTER ROLE ${role} CONNECTION LIMIT 0`,
    () => `ALTER ROLE ${role} CONNECTION LIMIT -1`,
  ],
  [
    "the role has no right to connect to the database",
    () => `REVOKE CONNECT ON DATABASE ${name()} FROM PUBLIC`,
    () => `GRANT CONNECT ON DATABASE ${name()} TO PUBLIC`,
  ],
  [
    "the database accepts no connections",
    () => `ALTER DATABASE ${name()} ALLOW_CONNECTIONS false`,
    () => `ALTER DATABASE ${name()} ALLOW_CONNECTIONS true`,
  ],
])(
  "while %s, every answer is 503 with Retry-After; it serves again without a restart",
  async (_, spoil, repair) => {
    expect(await statuses()).toEqual([201, 200, 200]);
    await server.sql(spoil());
    try {
      await service.database.cutConnections();
      const refused = { status: 503, retryAfter: expect.stringMatching(/^\d+$/) };
      for (let round = 0; round < 3; round++) expect(await answers()).toEqual([refused, refused, refused]);
      expect((await fetch(`${service.nodeUrl}/health/ready`)).status).toBe(503);
    } finally {
      await server.sql(repair());
    }
    await waitFor(async () => (await statuses()).every((status) => status < 300), 3_000);
  },
);
