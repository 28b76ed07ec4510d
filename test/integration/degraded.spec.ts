import http from "node:http";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { heard } from "../../lib/runtime/listening.ts";
import { freePort } from "../helpers/free-port.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** A node that runs all services while some of its dependencies are unavailable. */

let service: TestService;
let port: number;
beforeAll(async () => {
  port = await freePort();
  service = await startService({ env: { MINIO_ENDPOINT: "127.0.0.1", MINIO_PORT: String(port) } });
  await waitFor(async () => (await service.http.get("/health/ready")).status === 200);
});
afterAll(() => service.stop());

const json = async (path: string) => (await service.http.get(path).expect(200)).body;

/** The value of the metric for a part. */
const metricOf = async (part: string) => {
  const text = await (await fetch(`${service.nodeUrl}/metrics`)).text();
  return new RegExp(`^user_service_node_degraded\\{part="${part}"\\} (.*)$`, "m").exec(text)?.[1];
};

test("without the object store a node is ready and serves users; it is degraded until the store is available", async () => {
  expect(await json("/health/ready")).toEqual({ status: "ok", degraded: ["object store"] });
  expect(await json("/health")).toMatchObject({ status: "ok", degraded: ["object store"] });
  expect(await metricOf("object store")).toBe("1");
  const body = { keycloakId: "k", email: "k@example.com", profile: { fullName: "Ada" } };
  await service.http.post("/api/v1/users").set(service.internal).send(body).expect(201);

  const store = http.createServer(({ method }, res) => res.writeHead(method === "DELETE" ? 204 : 200).end());
  store.listen(port, "127.0.0.1");
  try {
    await waitFor(async () => !("degraded" in (await json("/health/ready"))), 15_000);
    expect(await metricOf("object store")).toBe("0");
  } finally {
    store.closeAllConnections();
    store.close();
  }
});

test("a node that runs all services is ready, but degraded, while nothing arrives from the cluster and the consumed topics", async () => {
  heard("cluster");
  heard("topics");
  const now = performance.now() + 31_000;
  jest.spyOn(performance, "now").mockReturnValue(now);
  try {
    const { degraded } = await json("/health/ready");
    expect(degraded).toEqual(expect.arrayContaining(["cluster", "topics"]));
  } finally {
    jest.restoreAllMocks();
  }
});
