import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { postUser, type ServiceProcess, spawnService, statusOf } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** A node whose Kafka refuses connections, or hangs: it accepts connections and never answers. */

describe.each(["refuses connections", "does not answer"])("while Kafka %s", (how) => {
  let silent: Server;
  let database: TestDatabase;
  let node: ServiceProcess;
  let gateway: ServiceProcess;
  beforeAll(async () => {
    silent = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as { port: number };
    if (how === "refuses connections") await new Promise((resolve) => silent.close(resolve));
    database = await createDatabase();
    const env = { ...database.env, KAFKA_BROKERS: `127.0.0.1:${port}` };
    [node, gateway] = await Promise.all([spawnService(env), spawnService({ ...env, SERVICES: "api" })]);
    await Promise.all([node.ready(), waitFor(() => statusOf(`${gateway.url}/health`))]);
  });
  afterAll(async () => {
    await Promise.all([node?.remove(), gateway?.remove()]);
    await database?.drop();
    silent.close();
  });

  test.each([
    { kind: "all services", of: () => node, status: "connected" },
    {
      kind: "only the gateway, which cannot check the database,",
      of: () => gateway,
      status: "unknown",
    },
  ])(
    "GET /health of a node with $kind reports Kafka as disconnected within 1 s, with 200",
    async ({ of, status }) => {
      const start = performance.now();
      const answer = await fetch(`${of().url}/health`);
      expect(performance.now() - start).toBeLessThan(1_300);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({
        status: "ok",
        database: { status },
        kafka: { status: "disconnected" },
      });
    },
  );

  test("SIGTERM ends the node within 7 s with exit code 0, and unpublished events stay in the outbox", async () => {
    expect((await postUser(node.url)).status).toBe(201);
    const start = performance.now();
    node.child.kill("SIGTERM");
    expect(await node.ended).toBe(0);
    expect(performance.now() - start).toBeLessThan(7_000);
    expect(await database.sql("SELECT 1 FROM outbox")).toHaveLength(1);
  });
});
