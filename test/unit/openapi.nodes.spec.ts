import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type ActionSchema, type BrokerOptions, ServiceBroker } from "moleculer";
import { type Rule, toObjectSchema } from "../../lib/contract/fields.ts";
import * as schemas from "../../services/users/users.schemas.ts";

/** The gateway's document is made from actions of other nodes, as they come over the wire. */
const options: BrokerOptions = { transporter: "Fake", serializer: "CBOR", logger: false };
const gateway = new ServiceBroker({ ...options, nodeID: "gateway" });
const other = new ServiceBroker({ ...options, nodeID: "other" });
const actions = Object.entries({ create: schemas.create, list: schemas.list, update: schemas.update });
other.createService({
  name: "users",
  actions: Object.fromEntries(
    actions.map(([name, params]) => [name, { access: "admin", params, handler() {} }]),
  ),
});
beforeAll(async () => {
  await Promise.all([gateway.start(), other.start()]);
  await gateway.waitForServices("users");
});
afterAll(() => Promise.all([gateway.stop(), other.stop()]));

const schemaOf = ({ $$strict: _, ...rules }: Record<string, unknown>) =>
  toObjectSchema(rules as Record<string, Rule>);

test.each(actions)("what users.%s takes, and who may, is known on another node", async (name, params) => {
  const found = await gateway.call<{ name: string; action: ActionSchema }[]>("$node.actions");
  const action = found.find((item) => item.name === `users.${name}`)?.action;
  expect(action?.access).toBe("admin");
  expect(schemaOf(action?.params as Record<string, unknown>)).toEqual(schemaOf(params));
});
