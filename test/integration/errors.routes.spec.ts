import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { errorBody } from "../helpers/errors.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Errors that occur before the caller is authenticated. */
let service: TestService;
let owner: Person;
beforeAll(async () => {
  service = await startService();
  owner = await createUser(service);
});
afterAll(() => service.stop());

const users = "/api/v1/users";
const own = (rest = "") => `${users}/${owner.id}${rest}`;

describe("405 names the methods that the path has:", () => {
  test.each<[string, () => string, string]>([
    ["PUT", () => users, "GET, HEAD, POST"],
    ["OPTIONS", () => users, "GET, HEAD, POST"],
    ["POST", () => own(), "DELETE, GET, HEAD, PATCH"],
    ["TRACE", () => own(), "DELETE, GET, HEAD, PATCH"],
    ["DELETE", () => `${users}/by-keycloak/x`, "GET, HEAD, PUT"],
    ["POST", () => `${users}/me`, "DELETE, GET, HEAD, PATCH"],
    ["GET", () => `${users}/me/profile`, "PUT"],
    ["POST", () => `${users}/me/stats`, "GET, HEAD"],
    ["PUT", () => `${users}/me/avatar`, "DELETE, GET, HEAD, POST"],
    ["DELETE", () => `${users}/me/preferences`, "GET, HEAD, PATCH"],
    ["POST", () => `${users}/by-email/x`, "GET, HEAD"],
    ["GET", () => `${users}/lookup`, "POST"],
    ["GET", () => own("/profile"), "PUT"],
    ["HEAD", () => own("/email"), "PUT"],
    ["PUT", () => own("/avatar"), "DELETE, GET, HEAD, POST"],
    ["POST", () => own("/stats"), "GET, HEAD"],
    ["GET", () => own("/stats/increment-interviews"), "POST"],
    ["PUT", () => own("/preferences"), "GET, HEAD, PATCH"],
    ["DELETE", () => own("/quotas"), "GET, HEAD, PATCH"],
    ["POST", () => "/health", "GET, HEAD"],
    ["DELETE", () => "/health/ready", "GET, HEAD"],
    ["POST", () => "/metrics", "GET, HEAD"],
    ["POST", () => "/openapi.json", "GET, HEAD"],
    ["PUT", () => "/docs", "GET, HEAD"],
  ])("%s of its path", async (method, path, allow) => {
    const answer = await request(service.url, { method, path: path() });
    expect([answer.status, answer.headers.allow?.split(", ").sort().join(", ")]).toEqual([405, allow]);
    if (method !== "HEAD") expect(answer.body).toEqual(errorBody(405, expect.any(String), path()));
  });

  test("404 is the answer to a trailing slash, other letter case, and paths that only resemble a route", async () => {
    const paths = [
      `${users}/`,
      `${own()}/`,
      "/health/",
      "/api/v1/Users",
      "/api/v1",
      "/",
      `${own()}/none`,
      "//health",
      "/api/v2/users",
    ];
    for (const path of paths) {
      const answer = await request(service.url, { path });
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.body).toEqual(errorBody(404, expect.any(String), path));
    }
  });
});

describe("traceId", () => {
  const trace = "0af7651916cd43dd8448eb211c80319c";
  test.each([
    `00-${trace}-b7ad6b7169203331-01`,
    `00-${trace}-b7ad6b7169203331-00`,
    `01-${trace}-b7ad6b7169203331-01-x`,
  ])("is the caller's trace id with traceparent %s", async (traceparent) => {
    for (const path of [own(), "/nothing", `${users}/%zz`, "/health/nothing"])
      expect((await request(service.url, { path, headers: { traceparent } })).body.traceId).toBe(trace);
  });
  test.each([
    "",
    "nonsense",
    `00-${trace}`,
    `ff-${trace}-b7ad6b7169203331-01`,
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-${trace.toUpperCase()}-b7ad6b7169203331-01`,
    `00-${trace}-${"0".repeat(16)}-01`,
    `00-${trace}-b7ad6b7169203331-01-x`,
  ])("is a new trace id with traceparent %j", async (traceparent) => {
    const { body } = await request(service.url, { path: own(), headers: { traceparent } });
    expect(body).toEqual(errorBody(401, expect.any(String)));
    expect([trace, "0".repeat(32)]).not.toContain(body.traceId);
  });
});
