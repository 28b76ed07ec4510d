import { afterAll, expect, test } from "@jest/globals";
import { Errors, ServiceBroker } from "moleculer";
import { RestartedNodes } from "../../services/node/restarted-nodes.ts";

const brokers: ServiceBroker[] = [];
afterAll(() => Promise.all(brokers.map((broker) => broker.stop())));

async function startNode(nodeID: string): Promise<ServiceBroker> {
  const broker = new ServiceBroker({
    nodeID,
    namespace: "restarted",
    transporter: "Fake",
    middlewares: [RestartedNodes],
    requestTimeout: 0,
    logger: false,
  });
  const actions = { hang: () => new Promise(() => {}), answer: () => "here" };
  if (nodeID === "asked") broker.createService({ name: "work", actions });
  brokers.push(broker);
  await broker.start();
  return broker;
}

test("a call under way to a node that was killed is rejected as soon as the node is back, not at its timeout", async () => {
  const asking = await startNode("asking");
  const firstLife = await startNode("asked");
  await asking.waitForServices("work");
  const underWay = asking.call("work.hang");
  const nothing = async () => {}; // a killed node hears and says no more
  Object.assign(firstLife.transit?.tx ?? {}, { receive: nothing, prepublish: nothing });
  await startNode("asked");
  await expect(underWay).rejects.toBeInstanceOf(Errors.RequestRejectedError);
  expect(await asking.call("work.answer")).toBe("here");
});
