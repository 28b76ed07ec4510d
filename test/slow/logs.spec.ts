import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startCollector } from "../helpers/collector.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { uploadOf } from "../helpers/form.ts";
import { freePort } from "../helpers/free-port.ts";
import { png } from "../helpers/images.ts";
import { INTERNAL_TOKEN, postUser, type ServiceProcess, spawnService } from "../helpers/process.ts";
import { type Asked, request } from "../helpers/request.ts";
import { waitFor } from "../helpers/wait-for.ts";

const internal = { "x-internal-token": INTERNAL_TOKEN };
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
/** Values that must not be in any log line. */
const EMAIL = "zzsecret@example.com";
const PHONE = "+4915112345678";
const profile = { fullName: "Zzsecret Name", companyName: "Zzsecret Ltd", phone: PHONE, bio: "Zzsecret bio" };

type Line = Record<string, unknown>;
const linesOf = (service: ServiceProcess): Line[] =>
  service
    .printed()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

describe.each(["debug", "trace"])("LOG_LEVEL=%s", (LOG_LEVEL) => {
  let database: TestDatabase;
  let service: ServiceProcess;
  let userId: string;
  const asked: { route: string; status: number }[] = [];
  let adminToken: string | undefined;

  /** Sends a request and records its route and status, to compare them with the log lines. */
  async function ask(route: string, { headers, ...asking }: Asked): Promise<{ body: { id: string } }> {
    const answer = await request(service.url, {
      ...asking,
      headers: { ...internal, traceparent, ...headers },
    });
    asked.push({ route, status: answer.status });
    return answer;
  }

  beforeAll(async () => {
    database = await createDatabase();
    const services = [join(import.meta.dirname, "../helpers/neighbour.service.ts")];
    service = await spawnService({ ...database.env, LOG_LEVEL }, { services });
    await service.ready();
    adminToken = (await waitFor(() => /Bearer ([^"]+)"/.exec(service.printed())))?.[1];

    const users = "/api/v1/users";
    const method = "POST";
    const body = { keycloakId: "zzsecret-keycloak", email: EMAIL, profile };
    userId = (await ask("POST /api/v1/users", { method, path: users, body })).body.id;
    const path = `${users}/${userId}`;
    const one = "/api/v1/users/:id";
    const bearer = { authorization: `Bearer ${adminToken}` };

    await ask("POST /api/v1/users", { method, path: users, body });
    await ask("POST /api/v1/users", { method, path: users, body: { ...body, zzsecret: EMAIL } });
    await ask("POST /api/v1/users", {
      method,
      path: users,
      body: '{"email": "zzsecret',
      headers: { "content-type": "application/json" },
    });
    await ask("GET /api/v1/users", { path: `${users}?search=zzsecret&email=${EMAIL}`, headers: bearer });
    await ask("GET /api/v1/users/me", { path: `${users}/me`, headers: bearer });
    await ask("GET /api/v1/users/by-email/:email", { path: `${users}/by-email/${EMAIL}` });
    await ask("GET /api/v1/users/by-email/:email", { path: `${users}/by-email/no.${EMAIL}` });
    await ask("GET /api/v1/users/by-keycloak/:keycloakId", {
      path: `${users}/by-keycloak/zzsecret-keycloak`,
    });
    await ask(`GET ${one}`, { path });
    await ask(`GET ${one}`, { path: `${users}/${EMAIL}` });
    await ask(`GET ${one}`, { path, headers: { "x-internal-token": "zzsecret-wrong-token" } });
    await ask(`GET ${one}`, { path, headers: { authorization: "Bearer zzsecret.zzsecret.zzsecret" } });
    await ask(`PATCH ${one}`, { method: "PATCH", path, body: { profile: { bio: "Zzsecret" } } });
    await ask(`PUT ${one}/profile`, { method: "PUT", path: `${path}/profile`, body: profile });
    await ask(`PUT ${one}/email`, { method: "PUT", path: `${path}/email`, body: { email: `new.${EMAIL}` } });
    await ask(`POST ${one}/avatar`, uploadOf(userId, await png(), "zzsecret.png"));
    await ask(`POST ${one}/avatar`, uploadOf(userId, "Zzsecret", "zzsecret.png"));
    await ask(`GET ${one}/avatar`, { path: `${path}/avatar?size=64` });
    await ask(`DELETE ${one}/avatar`, { method: "DELETE", path: `${path}/avatar` });
    await ask(`PATCH ${one}/preferences`, {
      method: "PATCH",
      path: `${path}/preferences`,
      body: { language: "de" },
    });
    await ask(`GET ${one}/preferences`, { path: `${path}/preferences` });
    await ask(`POST ${one}/stats/increment-interviews`, {
      method,
      path: `${path}/stats/increment-interviews`,
    });
    await ask(`GET ${one}/stats`, { path: `${path}/stats` });
    await ask(`PATCH ${one}/quotas`, { method: "PATCH", path: `${path}/quotas`, body: { maxInterviews: 1 } });
    await ask("GET", { path: `/zzsecret/${EMAIL}` });
    await ask("TRACE", { method: "TRACE", path: `${path}?email=${EMAIL}` });
    await database.sql("ALTER TABLE users RENAME TO missing");
    await ask(`GET ${one}`, { path: `${users}/${crypto.randomUUID()}` });
    await ask("GET /api/v1/users/by-email/:email", { path: `${users}/by-email/${EMAIL}` });
    await database.sql("ALTER TABLE missing RENAME TO users");
    await ask(`DELETE ${one}`, { method: "DELETE", path });
    await waitFor(() => linesOf(service).some(({ eventType }) => eventType === "user.deleted"));
  });
  afterAll(async () => {
    await service?.remove();
    await database?.drop();
  });

  test("each request is one log line with route, status, duration and trace id", () => {
    const lines = linesOf(service).filter(({ action }) => action === "request");
    expect(lines.map(({ route, status }) => ({ route, status }))).toEqual(asked);
    expect(new Set(asked.map(({ status }) => status))).toEqual(
      new Set([200, 201, 400, 401, 404, 405, 409, 415, 503]),
    );
    for (const line of lines)
      expect(line).toMatchObject({ traceId: TRACE, duration: expect.any(Number), module: "api" });
    expect(lines[0]).toMatchObject({ level: "info", message: "Request" });
    expect(lines.find(({ status }) => status === 503)).toMatchObject({ level: "error" });
  });

  test.each([
    ["user_create", "info"],
    ["user_read", "debug"],
    ["user_update", "info"],
    ["user_delete", "info"],
    ["quotas_update", "info"],
    ["stats_update", "info"],
    ["avatar_upload", "info"],
    ["avatar_delete", "info"],
    ["event_publish", "info"],
    ["event_consume", "debug"],
    ["request", "info"],
  ])("%s is a log line in the format of contract 10, at level %s", (action, level) => {
    const of = (line: Line) => line.action === action && line.userId === userId && line.level === level;
    expect(linesOf(service).find(of)).toMatchObject({
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      service: "user-service",
      message: expect.stringMatching(/\w/),
      traceId: TRACE,
    });
  });

  test("a database error is logged with its cause and its trace id", () => {
    const lines = linesOf(service).filter(({ action }) => action === "database_error");
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const line of lines)
      expect(line).toMatchObject({
        level: "error",
        traceId: TRACE,
        err: { cause: { message: expect.stringMatching(/does not exist/) } },
      });
  });

  test("a dead letter is logged with its error code", () => {
    expect(linesOf(service)).toContainEqual(
      expect.objectContaining({ action: "event_dead_letter", level: "warn", code: "VALIDATION_ERROR" }),
    );
  });

  test("no log line contains a token, e-mail, name, phone number or body", () => {
    const lines = linesOf(service).map((line) => JSON.stringify(line));
    expect(lines.length).toBeGreaterThan(asked.length);
    for (const hidden of [
      /zzsecret/i,
      /@example/,
      /15112345678/,
      /Bearer/,
      /eyJ/,
      new RegExp(INTERNAL_TOKEN),
    ])
      expect(lines.filter((line) => hidden.test(line))).toEqual([]);
    expect(adminToken).toMatch(/^eyJ/);
  });
});

describe("logs to Loki and spans to a collector", () => {
  /** Starts a service with this environment, sends requests, and stops it. */
  async function life(env: Record<string, string>) {
    const database = await createDatabase();
    const service = await spawnService({ ...database.env, LOG_LEVEL: "info", ...env });
    try {
      await service.ready();
      const statuses: number[] = [];
      const start = performance.now();
      for (let n = 0; n < 50; n++) statuses.push((await postUser(service.url)).status);
      const asking = performance.now() - start;
      const stoppedAt = performance.now();
      service.child.kill("SIGTERM");
      const code = await service.ended;
      return { lines: linesOf(service), statuses, asking, code, stopping: performance.now() - stoppedAt };
    } finally {
      await service.remove();
      await database.drop();
    }
  }
  type Life = Awaited<ReturnType<typeof life>>;

  let loki: Awaited<ReturnType<typeof startCollector>>;
  let [listening, refusing, frozen]: Life[] = [];
  beforeAll(async () => {
    loki = await startCollector();
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const port = await freePort();
    const silent = createServer(() => {}).listen(port);
    const [LOKI_HOST, JAEGER_ENDPOINT] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port}/v1/traces`];
    // all at once, because each waits for time limits when it stops
    [listening, refusing, frozen] = await Promise.all([
      life({ LOKI_HOST: loki.url }),
      life({ LOKI_HOST: nobody, JAEGER_ENDPOINT: `${nobody}/api/traces` }),
      life({ LOKI_HOST, JAEGER_ENDPOINT }),
    ]);
    silent.close();
    await loki.stop();
  });
  const fine = { code: 0, statuses: Array(50).fill(201) };

  test("Loki gets all log lines including the last one, with the level as a label", () => {
    expect(listening).toMatchObject(fine);
    expect(loki.posted.map(({ path }) => path)).toContain("/loki/api/v1/push");
    const streams = loki.posted.flatMap(({ body }) => JSON.parse(String(body)).streams);
    const lines = streams.flatMap(({ values }) =>
      values.map(([, text]: [string, string]) => JSON.parse(text)),
    );
    expect(lines).toEqual(listening?.lines);
    expect(lines.filter(({ action }) => action === "request")).toHaveLength(50);
    expect(streams[0].stream).toMatchObject({ service: "user-service", level: "info" });
  });

  test("if Loki and the collector refuse connections, the service works, stops in time and logs once that spans are lost", () => {
    expect(refusing).toMatchObject(fine);
    expect(refusing?.stopping).toBeLessThan(10_000);
    expect(refusing?.lines.filter(({ level }) => level !== "info")).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/^Spans are lost: JAEGER_ENDPOINT: /) }),
    ]);
  });

  test("if Loki and the collector never respond, the service works and stops in time", () => {
    expect(frozen).toMatchObject(fine);
    expect(frozen?.asking).toBeLessThan(20_000);
    expect(frozen?.stopping).toBeLessThan(10_000);
  });
});
