import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { collectEvents } from "../helpers/collect-events.ts";
import { startCollector } from "../helpers/collector.ts";
import { newUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

type Span = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: { stringValue: string } }[];
  status: { code?: number };
};

const SPAN = "b7ad6b7169203331";
const newTrace = () => crypto.randomUUID().replaceAll("-", "");
const sent = (trace: string, flags = "01") => ({ traceparent: `00-${trace}-${SPAN}-${flags}` });

let collector: Awaited<ReturnType<typeof startCollector>>;
let service: TestService;
const collected = collectEvents();
beforeAll(async () => {
  collector = await startCollector();
  const env = { JAEGER_ENDPOINT: `${collector.url}/v1/traces`, TRACE_SAMPLE: "0" };
  service = await startService({ env, services: [collected.schema] });
});
afterAll(async () => {
  await service?.stop();
  await collector?.stop();
});

const spans = (): Span[] =>
  collector.posted.flatMap(({ body }) => JSON.parse(String(body)).resourceSpans[0].scopeSpans[0].spans);
const spansOf = (trace: string) => spans().filter(({ traceId }) => traceId === trace);

/** Waits until a trace has spans with all these names, and returns its spans. */
const trace = async (id: string, ...names: string[]): Promise<Map<string, Span>> => {
  await waitFor(() => names.every((name) => spansOf(id).some((span) => span.name === name)));
  return new Map(spansOf(id).map((span) => [span.name, span]));
};

const create = (headers: Record<string, string>, body = newUser()) =>
  service.http.post("/api/v1/users").set(service.internal).set(headers).send(body);

test("a recorded trace has a span for every step, below its parent", async () => {
  const id = newTrace();
  const answer = await create(sent(id)).expect(201);
  const [event] = await collected.of(answer.body.id, 1);
  expect(event?.metadata.correlationId).toBe(id);

  const found = await trace(id, "POST /api/v1/users", "user.** in collector");
  const parentOf = (name: string) => found.get(name)?.parentSpanId;
  const idOf = (name: string) => found.get(name)?.spanId;
  expect(parentOf("POST /api/v1/users")).toBe(SPAN);
  expect(answer.headers.traceparent).toBe(`00-${id}-${idOf("POST /api/v1/users")}-01`);
  expect(parentOf("users.create")).toBe(idOf("POST /api/v1/users"));
  expect(parentOf("SQL insert-user")).toBe(idOf("users.create"));
  expect(parentOf("publish user-events")).toBe(idOf("users.create"));
  expect(parentOf("user.** in collector")).toBe(idOf("publish user-events"));
  for (const { startTimeUnixNano: start, endTimeUnixNano: end } of found.values()) {
    expect(BigInt(end)).toBeGreaterThanOrEqual(BigInt(start));
    expect(Math.abs(Number(BigInt(start) / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  }
});

test("the queries of a change and of its access check are spans below its action", async () => {
  const { body: user } = await create({});
  const id = newTrace();
  const path = `/api/v1/users/${user.id}`;
  const change = { profile: { bio: "A bio that must not leave" } };
  await service.http.patch(path).set(service.internal).set(sent(id)).send(change).expect(200);
  const found = await trace(id, "PATCH /api/v1/users/:id", "SQL save-users-users", "SQL find-users");
  for (const name of ["SQL find-users", "SQL save-users-users"])
    expect(found.get(name)?.parentSpanId).toBe(found.get("users.update")?.spanId);
});

test("an event that is emitted natively is counted in its own trace", async () => {
  const { body: user } = await create({});
  const id = newTrace();
  const event = { eventType: "interview.created", userId: user.id, data: { interviewId: newTrace() } };
  await service.broker.emit("interview.created", event, {
    parentSpan: { traceID: id, id: SPAN, sampled: true },
  });
  const found = await trace(id, "consume interview-events", "stats.apply");
  expect(found.get("stats.apply")?.parentSpanId).toBe(found.get("consume interview-events")?.spanId);
});

test("an error has the trace id of its trace; failures are marked as errors, and refusals are not", async () => {
  const id = newTrace();
  const path = `/api/v1/users/${crypto.randomUUID()}`;
  const answer = await service.http.get(path).set(service.internal).set(sent(id)).expect(404);
  expect(answer.body.traceId).toBe(id);
  const refused = (await trace(id, "GET /api/v1/users/:id")).get("GET /api/v1/users/:id");
  expect(refused?.status).toEqual({});
  expect(refused?.attributes).toContainEqual({ key: "error.code", value: { stringValue: "404" } });
});

test("a trace that the caller does not sample is not recorded, also in later calls and events", async () => {
  const id = newTrace();
  const answer = await create(sent(id, "00")).expect(201);
  expect(answer.headers.traceparent).toMatch(new RegExp(`^00-${id}-[0-9a-f]{16}-00$`));
  const [event] = await collected.of(answer.body.id, 1);
  expect(event?.metadata.correlationId).toBe(id);
  const later = newTrace();
  await create(sent(later));
  await trace(later, "publish user-events");
  expect(spansOf(id)).toEqual([]);
});

test("TRACE_SAMPLE decides for a request without traceparent: 0 records nothing", async () => {
  const { headers } = await create({}).expect(201);
  expect(headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});

test("no span contains personal data", async () => {
  const id = newTrace();
  const body = newUser({ email: "secret-address@example.com", profile: { fullName: "Secret Name" } });
  await create(sent(id), body).expect(201);
  await create(sent(id), body).expect(409);
  await service.http
    .get("/api/v1/users/by-email/secret-address@example.com?x=secret")
    .set(service.internal)
    .set(sent(id));
  await trace(id, "GET /api/v1/users/by-email/:email", "publish user-events");
  expect(JSON.stringify(spans())).not.toMatch(/secret/i);
  expect(JSON.stringify(spans())).not.toContain(service.internal["x-internal-token"]);
});
