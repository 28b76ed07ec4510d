import { expect, test } from "@jest/globals";
import { createCommand, denialIn, deniedRights, withRight } from "../../lib/kafka/rights.ts";
import { registry } from "../../lib/runtime/metrics.ts";

const denial = Object.assign(new Error("denied"), { type: "TOPIC_AUTHORIZATION_FAILED" });

test.each([
  { what: "kafkajs", error: denial },
  { what: "kafkajs, with several causes", error: new AggregateError([new Error("other"), denial]) },
  {
    what: "the transporter's client",
    error: Object.assign(new Error(), { apiId: "GROUP_AUTHORIZATION_FAILED" }),
  },
  { what: "a client that wraps it", error: new Error("retried", { cause: denial }) },
])("a denial of $what is recognised", ({ error }) => {
  expect(denialIn(error)).toMatch(/^(TOPIC|GROUP)_AUTHORIZATION_FAILED$/);
});

test.each([
  new Error("denied"),
  Object.assign(new Error(), { type: "NOT_LEADER_OR_FOLLOWER" }),
  "text",
  undefined,
])("%s is not taken for a denial", (error) => {
  expect(denialIn(error)).toBeUndefined();
});

test("a denied right is logged once, and is in the metrics until it is granted", async () => {
  const logged: string[] = [];
  const attempt = (work: () => Promise<unknown>) =>
    withRight("CREATE on topic x", (line) => logged.push(line), work, "run create");
  for (let count = 0; count < 3; count++)
    await expect(attempt(() => Promise.reject(denial))).rejects.toBe(denial);
  await expect(attempt(() => Promise.reject(new Error("unavailable")))).rejects.toThrow("unavailable");
  expect(deniedRights()).toEqual(["CREATE on topic x"]);
  const sample = 'user_service_kafka_denied_rights{right="CREATE on topic x"}';
  expect(await registry.metrics()).toContain(`${sample} 1\n`);
  expect(logged).toEqual(["Kafka denies CREATE on topic x: grant it, or run create"]);
  await attempt(async () => {});
  expect(deniedRights()).toEqual([]);
  expect(await registry.metrics()).not.toContain(sample);
});

test("the command that creates a topic has its partitions and settings", () => {
  expect(createCommand("user-events", 3)).toBe("kafka-topics.sh --create --topic user-events --partitions 3");
  expect(createCommand("a", 1, { "retention.ms": "1" })).toMatch(/ --partitions 1 --config retention.ms=1$/);
});
