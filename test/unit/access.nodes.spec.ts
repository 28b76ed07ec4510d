import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type ActionSchema, type BrokerOptions, ServiceBroker } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { actions } from "../../services/users/users.contract.ts";

/** The gateway checks the caller by the access of actions on other nodes, as it arrives over the wire. */
const options: BrokerOptions = { transporter: "Fake", serializer: "CBOR", logger: false };
const gateway = new ServiceBroker({ ...options, nodeID: "gateway" });
const other = new ServiceBroker({ ...options, nodeID: "other" });
const handlers = Object.fromEntries(Object.keys(actions).map((name) => [name, () => {}]));
other.createService({ name: "users", actions: implement(actions, handlers as never) });
beforeAll(async () => {
  await Promise.all([gateway.start(), other.start()]);
  await gateway.waitForServices("users");
});
afterAll(() => Promise.all([gateway.stop(), other.stop()]));

test.each(Object.entries(actions))(
  "another node receives the access declaration of users.%s",
  async (name, { access }) => {
    const found = await gateway.call<{ name: string; action: ActionSchema }[]>("$node.actions");
    expect(found.find((item) => item.name === `users.${name}`)?.action.access).toBe(access);
  },
);
