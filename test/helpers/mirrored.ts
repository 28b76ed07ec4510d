import { call } from "../../lib/contract/call.ts";
import type { Envelope } from "../../services/contracts.ts";
import type { Difference, Hint, Report } from "../../services/identities/identities.contract.ts";
import { collectEvents } from "./collect-events.ts";
import { type Account, type FakeKeycloak, startFakeKeycloak } from "./fake-keycloak.ts";
import { startService, type TestService } from "./service.ts";
import { waitFor } from "./wait-for.ts";

/** Starts the service with a fake realm whose admin API it reads. */
export async function startMirrored(env: Record<string, string> = {}) {
  const keycloak = await startFakeKeycloak();
  const collector = collectEvents();
  const service = await startService({
    env: {
      AUTH_JWKS_URL: `${keycloak.url}/realms/test/protocol/openid-connect/certs`,
      KEYCLOAK_ADMIN_CLIENT_ID: "mirror",
      KEYCLOAK_ADMIN_CLIENT_SECRET: "a-secret",
      IDENTITY_SYNC_SECONDS: "1",
      ...env,
    },
    services: [collector.schema],
  });
  await waitFor(async () => {
    // the sweep at the start has ended on an empty realm, and the next one is due later
    const text =
      "SELECT 1 FROM identity_sweeps WHERE kind = 'full' AND next_at < now() + interval '10 minutes'";
    return (await service.database.sql(`${text} AND next_at > now() AND claimed_until IS NULL`)).length > 0;
  });
  const events: { received: Envelope[]; of(userId: string, count: number): Promise<Envelope[]> } = collector;
  return { keycloak, service, ...mirrorOf(service, keycloak), events };
}

type Row = { id: string; email: string; full_name: string; status: string; deleted_at: Date | null };

/** Actions of tests on a mirrored service. */
function mirrorOf(service: TestService, keycloak: FakeKeycloak) {
  const { broker, database } = service;
  const meta = { caller: { internal: true, user: { sub: "operator", admin: true } } };
  const userOf = async ({ id }: Pick<Account, "id">): Promise<Row | undefined> =>
    (await database.sql<Row>("SELECT * FROM users WHERE keycloak_id = $1 ORDER BY created_at DESC", [id]))[0];
  return {
    userOf,
    /** Passes on hints, like `ingest`. */
    hint: (...hints: (Partial<Hint> & { keycloakId: string })[]) =>
      call(broker, "identities.receive", {
        hints: hints.map((one) => ({ key: crypto.randomUUID(), kind: "changed" as const, ...one })),
      }),
    sync: (params: { dryRun?: boolean; mayDelete?: number } = {}): Promise<Report> =>
      call(broker, "identities.sync", params, { meta, timeout: 0 }),
    /** Creates a user for a person, like the mirror. */
    async mirrored(account: Partial<Account> = {}): Promise<{ account: Account; user: Row }> {
      const added = keycloak.add(account);
      await call(broker, "identities.receive", {
        hints: [{ key: crypto.randomUUID(), kind: "changed", keycloakId: added.id }],
      });
      await waitFor(async () => {
        const [row] = await database.sql(
          "SELECT 1 FROM users JOIN identities ON user_id = id WHERE keycloak_id = $1",
          [added.id],
        );
        return row;
      });
      return { account: added, user: (await userOf(added)) as Row };
    },
    /** Saves an admin event, like Keycloak. */
    report(operationType: string, { id }: Pick<Account, "id">): string {
      const event = { id: crypto.randomUUID(), time: Date.now(), operationType, resourceType: "USER" };
      keycloak.adminEvents.push({ ...event, resourcePath: `users/${id}` });
      return event.id;
    },
    /** Waits until every hint is done or waits for another change. */
    settled: () =>
      waitFor(async () => {
        const rows = await database.sql(
          "SELECT 1 FROM identity_hints WHERE due_at IS NOT NULL AND difference IS NULL",
        );
        return rows.length === 0;
      }),
    differences: () =>
      database.sql<Pick<Difference, "kind" | "keycloakId">>(
        `SELECT difference AS kind, keycloak_id AS "keycloakId" FROM identity_hints
         WHERE due_at IS NOT NULL AND difference IS NOT NULL`,
      ),
  };
}

export type Mirrored = Awaited<ReturnType<typeof startMirrored>>;
