import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import type { ServiceBroker } from "moleculer";
import { Discoverer, HEARTBEAT } from "../../lib/kafka/discoverer.ts";
import { heard } from "../../lib/runtime/listening.ts";

beforeAll(() => void jest.useFakeTimers());
afterAll(() => void jest.useRealTimers());

/** A discoverer that knows two remote nodes: one of ours, one with Moleculer's settings. */
function create() {
  let uptime = 1_000;
  jest.spyOn(process, "uptime").mockImplementation(() => uptime);
  const ours = {
    id: "ours",
    available: true,
    lastHeartbeatTime: uptime,
    metadata: { heartbeatTimeout: HEARTBEAT.timeout },
  };
  const stock = { id: "stock", available: true, lastHeartbeatTime: uptime, metadata: {} };
  const dropped: string[] = [];
  const discoverer = new Discoverer();
  const nodes = { toArray: () => [ours, stock], disconnected: (id: string) => void dropped.push(id) };
  Object.assign(discoverer, {
    registry: { nodes } as never,
    logger: { warn() {} } as ServiceBroker["logger"],
  });
  return {
    dropped,
    /** Lets seconds pass in which only this node's own heartbeats arrive, or none. */
    pass(seconds: number, arriving: "own" | "none") {
      for (let second = 0; second < seconds; second++) {
        uptime++;
        jest.advanceTimersByTime(1_000);
        if (arriving === "own") heard("cluster");
        discoverer.checkRemoteNodes();
      }
    },
  };
}

test("a node is dropped after the timeout that it publishes, or after Moleculer's 30 s if it publishes none", () => {
  heard("cluster");
  const { dropped, pass } = create();
  pass(HEARTBEAT.timeout, "own");
  expect(dropped).toEqual([]);
  pass(1, "own");
  expect(dropped).toEqual(["ours"]);
  pass(27, "own");
  expect(dropped).toContain("stock");
});

test("no node is dropped while this node's own heartbeats do not arrive, because Kafka is not delivering", () => {
  heard("cluster");
  const { dropped, pass } = create();
  pass(60, "none");
  expect(dropped).toEqual([]);
  pass(HEARTBEAT.timeout, "own"); // gives the heartbeats of the others time to arrive again
  expect(dropped).toEqual([]);
  pass(1, "own");
  expect(dropped).toEqual(["ours"]);
});
