import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { errorBody } from "../helpers/errors.ts";
import { request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const get = (path: string, method = "GET") => request(service.url, { method, path });

test("the page loads only what the service itself has, and no script that stands in the page", async () => {
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

test("HEAD answers as GET does, without the body", async () => {
  for (const path of ["/docs", "/docs/swagger-ui.css", "/openapi.json", "/asyncapi.json"]) {
    const [whole, head] = [await get(path), await get(path, "HEAD")];
    expect([path, head.status, head.bytes.length]).toEqual([path, 200, 0]);
    for (const name of ["content-type", "content-length", "content-security-policy"])
      expect([path, head.headers[name]]).toEqual([path, whole.headers[name]]);
    expect(Number(whole.headers["content-length"])).toBe(whole.bytes.length);
  }
});

test("nothing else is served from the folders of the page", async () => {
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

test("the document is complete without the services that it describes", async () => {
  const whole = (await get("/openapi.json")).body;
  await service.broker.destroyService("stats");
  const answer = await get("/openapi.json");
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual(whole);
});
