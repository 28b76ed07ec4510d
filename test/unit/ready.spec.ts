import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { heard } from "../../lib/runtime/listening.ts";

/** A node that runs only the gateway, and needs the others. */

let demandReady: () => Promise<void>;
let degradation: () => object;
beforeAll(async () => {
  process.env.SERVICES = "api";
  const health = await import("../../lib/runtime/health.ts");
  ({ demandReady, degradation } = health);
  for (const reason of ["start", "database"] as const) health.nowReady(reason);
  jest.useFakeTimers();
});
afterAll(() => void jest.useRealTimers());

test("a gateway that receives nothing from the cluster for 30 s is not ready, until the next message arrives", async () => {
  heard("cluster");
  jest.advanceTimersByTime(30_000);
  await demandReady();
  jest.advanceTimersByTime(1);
  await expect(demandReady()).rejects.toMatchObject({
    message: expect.stringContaining("connection to Kafka"),
  });
  expect(degradation()).toEqual({ degraded: ["cluster"] });
  heard("cluster");
  await demandReady();
  expect(degradation()).toEqual({});
});
