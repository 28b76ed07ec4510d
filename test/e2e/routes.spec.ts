import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { FORMS, startCluster } from "../helpers/cluster.ts";
import { FORM, formOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { type Asked, request } from "../helpers/request.ts";
import { samplesAt } from "../helpers/samples.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";

/** Every route of the contract, on one node and on three that communicate over a real Kafka. */

const headers = { "x-internal-token": INTERNAL_TOKEN };
const name = crypto.randomUUID();
const profile = { fullName: "Anna Meyer" };
const users = "/api/v1/users";
const MISSING = "00000000-0000-4000-8000-000000000000";

/** Ordered so that each request finds the data that it needs. `ID` is the user's id. */
const ROUTES: [method: string, path: string, status: number, body?: object][] = [
  ["POST", users, 201, { keycloakId: name, email: `${name}@example.com`, profile }],
  ["GET", users, 200],
  ["GET", `${users}?count=true`, 200],
  ["GET", `${users}?deleted=true`, 200],
  ["POST", `${users}/lookup`, 200, { keycloakIds: [name], emails: ["nobody@example.com"] }],
  ["POST", `${users}/lookup`, 400, { ids: Array(101).fill(MISSING) }],
  ["PUT", `${users}/by-keycloak/${name}`, 200, { email: `${name}@example.com`, profile }],
  ["GET", `${users}/by-keycloak/${name}`, 200],
  ["GET", `${users}/by-email/${name}@example.com`, 200],
  ["GET", `${users}/me`, 401], // a service has no user of its own
  ["GET", `${users}/ID`, 200],
  ["HEAD", `${users}/ID`, 200],
  ["PATCH", `${users}/ID`, 200, { profile: { bio: "Hires people" } }],
  // larger than a Kafka message, but within the limit of a body
  ["PATCH", `${users}/ID`, 400, { profile: { bio: "x".repeat(1_040_000) } }],
  ["PUT", `${users}/ID/profile`, 200, profile],
  ["PUT", `${users}/ID/email`, 200, { email: `new-${name}@example.com` }],
  ["GET", `${users}/ID/stats`, 200],
  ["POST", `${users}/ID/stats/increment-interviews`, 200],
  ["GET", `${users}/ID/preferences`, 200],
  ["PATCH", `${users}/ID/preferences`, 200, { language: "de" }],
  ["GET", `${users}/ID/quotas`, 200],
  ["PATCH", `${users}/ID/quotas`, 200, { maxInterviews: 3 }],
  ["POST", `${users}/ID/quota/reservations`, 201, { resource: "interviews" }],
  ["POST", `${users}/ID/quota/reservations/${MISSING}/commit`, 404],
  ["DELETE", `${users}/ID/quota/reservations/${MISSING}`, 404],
  ["GET", `${users}/ID/history`, 200],
  ["GET", `${users}/ID?version=1`, 200],
  ["GET", `${users}/ID?version=99`, 404],
  ["POST", `${users}/ID/revert`, 403, { version: 1 }], // only for admins
  ["GET", `${users}/ID/avatar`, 404],
  ["POST", `${users}/ID/avatar`, 200],
  ["GET", `${users}/ID/avatar?size=64`, 200],
  ["DELETE", `${users}/ID/avatar`, 200],
  ["DELETE", `${users}/ID`, 200],
  ["GET", `${users}/ID`, 404],
  ["GET", "/health", 200],
  ["GET", "/health/live", 200],
  ["GET", "/health/ready", 200],
  ["GET", "/metrics", 200],
  ["GET", "/openapi.json", 200],
  ["GET", "/asyncapi.json", 200],
  ["GET", "/docs", 200],
  ["GET", "/api/v1/nothing", 404],
  ["DELETE", users, 405],
];

describe.each(Object.entries(FORMS))("On %s over real Kafka", (_form, services) => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let id = "";
  beforeAll(async () => {
    cluster = await startCluster(services);
  });
  afterAll(() => cluster?.stop());

  // rest parameters, because jest passes a callback to a function with more parameters than the row has values
  test.each(ROUTES)("%s %s is answered with %i", async (...[method, path, status, body]) => {
    const asked: Asked = { method, path: path.replace("ID", id), headers, body };
    if (method === "POST" && path.endsWith("/avatar"))
      Object.assign(asked, {
        headers: { ...headers, ...FORM },
        body: formOf({ filename: "me.jpg", type: "image/jpeg", content: await jpeg() }),
      });
    const answer = await request(cluster.gateway.url, asked);
    expect(answer.status).toBe(status);
    if (path === users && status === 201) id = answer.body.id;
    if (status >= 400) expect(answer.body).toMatchObject({ statusCode: status });
  });

  test("the gateway's node has metrics of PostgreSQL connections only if it runs a service that uses them", async () => {
    const { user_service_database_pool_max_connections: max = 0 } = await samplesAt(cluster.gateway.url);
    expect(max > 0).toBe(services[0] !== "api");
  });
});
