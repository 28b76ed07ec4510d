import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Context } from "moleculer";
import type { Envelope } from "../../services/contracts.ts";
import { allTopics } from "../../services/contracts.ts";
import { CONSUMED, CONSUMED_TOPICS, RECEIPT } from "../../services/ingest/ingest.contract.ts";
import { readMessage } from "../../services/ingest/ingest.rules.ts";
import { errorBody } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { schemasOf } from "../helpers/openapi.ts";
import { createUser } from "../helpers/people.ts";
import { request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

type Message = { name: string; payload: object; examples?: { payload: object }[] };
type Document = {
  channels: Record<string, { address: string; messages: object }>;
  components: { messages: Record<string, Message> };
};

const received: Envelope[] = [];
let service: TestService;
let document: Document;
let faultsOf: ReturnType<typeof schemasOf>;
beforeAll(async () => {
  const events = { "user.**": (ctx: Context<Envelope>) => void received.push(ctx.params) };
  service = await startService({ services: [{ name: "listener", events }] });
  document = (await service.http.get("/asyncapi.json").expect(200)).body;
  faultsOf = schemasOf(document);
});
afterAll(() => service.stop());

describe("/asyncapi.json", () => {
  const messagesOn = (topic: string): string[] => {
    const channel = Object.values(document.channels).find(({ address }) => address === topic);
    return Object.keys(channel?.messages ?? {});
  };
  const messageOf = (name: string) => document.components.messages[name] as Message;

  test("has every topic with the event types of the catalogue", () => {
    const addresses = Object.values(document.channels).map(({ address }) => address);
    expect(addresses.sort()).toEqual([...allTopics([])].sort());
    for (const [type, { topic }] of Object.entries(CONSUMED)) expect(messagesOn(topic)).toContain(type);
  });

  test("every published event matches its message", async () => {
    const user = await createUser(service);
    const send = (method: "patch" | "delete" | "post", rest: string, body?: object) =>
      service.http[method](`/api/v1/users/${user.id}${rest}`).set(service.internal).send(body).expect(200);
    await send("patch", "", { profile: { bio: "x", companyName: null } });
    await send("patch", "/preferences", { language: "de", notifications: { marketing: true } });
    await request(service.url, {
      ...uploadOf(user.id, await jpeg()),
      headers: { ...uploadOf("", "").headers, ...service.internal },
    });
    await send("delete", "/avatar");
    await send("patch", "/quotas", { maxInterviews: 10 });
    for (let count = 0; count < 10; count++) await send("post", "/stats/increment-interviews");
    await send("post", "/suspend", { reason: "Sent spam" });
    await send("post", "/activate");
    await send("delete", "");
    const admin = await service.admin();
    await service.http.post(`/api/v1/users/${user.id}/restore`).set(admin).expect(200);
    const caller = { internal: true, user: { sub: "operator", admin: true } };
    await service.broker.call("users.eraseNow", { id: user.id }, { meta: { caller } });

    const ours = messagesOn("user-events");
    await waitFor(() => received.some(({ eventType }) => eventType === "user.erased"));
    expect([...new Set(received.map(({ eventType }) => eventType))].sort()).toEqual(ours.sort());
    for (const event of received)
      expect([event.eventType, faultsOf(messageOf(event.eventType).payload, event)]).toEqual([
        event.eventType,
        [],
      ]);
  });

  test("erasure.completed is on each consumed topic, needs no userId, and both examples are consumed", () => {
    const { payload, examples = [] } = messageOf(RECEIPT.type);
    for (const topic of CONSUMED_TOPICS) {
      expect(messagesOn(topic)).toContain(RECEIPT.type);
      for (const example of examples) {
        expect(faultsOf(payload, example.payload)).toEqual([]);
        const reading = readMessage(topic, Buffer.from(JSON.stringify(example.payload)));
        expect(reading).toEqual({ kind: "receipt", receipt: RECEIPT.example });
      }
    }
    expect(faultsOf(payload, { eventType: RECEIPT.type, data: RECEIPT.example })).toEqual([]);
  });

  describe.each(Object.entries(CONSUMED))("%s", (type, { topic }) => {
    test("is counted as in its examples, in both envelopes", () => {
      const { payload, examples = [] } = messageOf(type);
      expect(examples).toHaveLength(2);
      for (const example of examples) {
        expect(faultsOf(payload, example.payload)).toEqual([]);
        expect(readMessage(topic, Buffer.from(JSON.stringify(example.payload)))).toMatchObject({
          kind: "event",
        });
      }
    });
  });

  test("the examples of our own events match their messages", () => {
    for (const name of messagesOn("user-events"))
      for (const { payload } of messageOf(name).examples ?? [])
        expect([name, faultsOf(messageOf(name).payload, payload)]).toEqual([name, []]);
  });

  /** Returns all schemas in a part of the document. */
  const schemasIn = (part: unknown): Schema[] =>
    typeof part === "object" && part !== null
      ? [...(part.constructor === Array ? [] : [part as Schema]), ...Object.values(part).flatMap(schemasIn)]
      : [];
  type Schema = { $id?: string; title?: string; properties?: object; enum?: unknown[]; type?: unknown };

  test("generated classes have unique names, because each payload has an id and a title, and each nested object a title", () => {
    const payloads = Object.values(document.components.messages).map(({ payload }) => payload as Schema);
    const ids = payloads.flatMap(schemasIn).flatMap(({ $id = [] }) => $id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { $id, title } of payloads) expect($id).toBe(`urn:user-service:event:${title}`);

    const classes = payloads
      .flatMap(schemasIn)
      .filter(({ properties, enum: values }) => properties ?? values);
    const byTitle = Map.groupBy(classes, ({ title }) => title);
    expect(byTitle.has(undefined)).toBe(false);
    for (const [title, same] of byTitle)
      expect([title, new Set(same.map((schema) => JSON.stringify(schema))).size]).toEqual([title, 1]);
  });
});

describe("/docs", () => {
  const get = (path: string, method = "GET") => request(service.url, { method, path });

  test("the page loads files only from the service, and has no inline scripts", async () => {
    const page = await get("/docs");
    expect([page.status, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    const html = page.bytes.toString();
    const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, target = ""]) => target);
    expect(loaded).toContain("docs/swagger-ui-bundle.js");
    for (const target of loaded.filter((target) => !target.startsWith("data:"))) {
      expect(target).not.toContain(":");
      expect([target, (await get(`/${target}`)).status]).toEqual([target, 200]);
    }
    expect(html).not.toMatch(/<script(?![^>]*src=)/);
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/https?:|\*/);
  });

  test("HEAD has the headers of GET and no body", async () => {
    for (const path of ["/docs", "/docs/swagger-ui.css", "/openapi.json", "/asyncapi.json"]) {
      const [whole, head] = [await get(path), await get(path, "HEAD")];
      expect([path, head.status, head.bytes.length]).toEqual([path, 200, 0]);
      for (const name of ["content-type", "content-length", "content-security-policy"])
        expect([path, head.headers[name]]).toEqual([path, whole.headers[name]]);
      expect(Number(whole.headers["content-length"])).toBe(whole.bytes.length);
    }
  });

  test("other files in the folders of the page are not served", async () => {
    const names = [
      "package.json",
      "index.css",
      "constructor",
      "__proto__",
      "..%2fopenapi.ts",
      "%2e%2e%2f%2e%2e%2f.env",
    ];
    for (const name of names) {
      const answer = await get(`/docs/${name}`);
      expect([name, answer.status]).toEqual([name, 404]);
      expect(answer.body).toEqual(errorBody(404, "Route not found"));
    }
  });

  test("the document is complete on a node without the services that it describes", async () => {
    const whole = (await get("/openapi.json")).body;
    await service.broker.destroyService("stats");
    const answer = await get("/openapi.json");
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(whole);
  });
});
