import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Service, ServiceBroker, ServiceSchema } from "moleculer";
import type supertest from "supertest";
import type { GatewayState } from "../../services/api/gateway-overrides.ts";
import { actionContracts, checkResults } from "./check-results.ts";
import { createDatabase, type TestDatabase } from "./database.ts";
import { freePort } from "./free-port.ts";
import { connections } from "./request.ts";

export const INTERNAL_TOKEN = "an-internal-token-of-at-least-32-characters";

/** Loads the client of `http` when a file uses it first, because half of the files do not. */
const loadSupertest = () => createRequire(import.meta.url)("supertest") as typeof supertest;

export type TestService = {
  broker: ServiceBroker;
  database: TestDatabase;
  url: string;
  /** The metrics port's address. */
  nodeUrl: string;
  /** HTTP requests without credentials. */
  http: ReturnType<typeof supertest>;
  /** The headers of a signed-in user. */
  user(sub: string, claims?: { email?: string; roles?: string[] }): Promise<{ authorization: string }>;
  /** The headers of an administrator. */
  admin(): Promise<{ authorization: string }>;
  /** The headers of another service. */
  internal: { "x-internal-token": string };
  stop(): Promise<void>;
};

/**
 * Starts the whole service in this process, with its own HTTP ports, database and folder. Once per test file, because
 * the configuration is read when the modules are loaded. `services` are loaded with it, for example listeners.
 * A call of an action fails if its result is not as declared.
 */
export async function startService(
  options: { env?: Record<string, string>; services?: ServiceSchema[] } = {},
): Promise<TestService> {
  const database = await createDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "user-service-data-"));
  const [port, metricsPort] = [await freePort(), await freePort()];
  Object.assign(process.env, {
    ...database.env,
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    DATA_DIR: dataDir,
    INTERNAL_TOKEN,
    LOG_LEVEL: "fatal",
    ...options.env,
  });

  const { ServiceBroker } = await import("moleculer");
  const { default: nodeOptions } = await import("../../moleculer.config.ts");
  const { developmentToken } = await import("../../services/api/development-token.ts");
  const brokerOptions = await nodeOptions();
  brokerOptions.middlewares?.push(checkResults(await actionContracts()));
  const broker = new ServiceBroker(brokerOptions);
  for (const name of ["users", "stats", "avatars", "identities", "outbox", "ingest", "api"])
    broker.createService((await import(`../../services/${name}/${name}.service.ts`)).default);
  for (const schema of options.services ?? []) broker.createService(schema);
  silenceWelcome();
  await broker.start();

  const url = `http://127.0.0.1:${port}`;
  let http: TestService["http"] | undefined;
  const user: TestService["user"] = async (sub, claims = {}) => ({
    authorization: `Bearer ${await developmentToken({ sub, ...claims })}`,
  });
  return {
    broker,
    database,
    url,
    nodeUrl: `http://127.0.0.1:${metricsPort}`,
    get http() {
      http ??= loadSupertest()
        .agent(url)
        .use((asked: supertest.Test) => void asked.agent(connections));
      return http;
    },
    user,
    admin: () => user("an-admin", { roles: ["admin"] }),
    internal: { "x-internal-token": INTERNAL_TOKEN },
    async stop() {
      const gateway = broker.getLocalService("api") as Service & GatewayState;
      // no client is left to wait for; the stop of a node is tested in a separate process
      Object.assign(gateway, { drain: async () => gateway.server.closeAllConnections() });
      await broker.stop();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Hides the development token that the service prints at start, which would be in the output of every test file. */
function silenceWelcome(): void {
  const { log } = console;
  console.log = (...words) => String(words[0]).includes("here is an admin token") || log(...words);
}
