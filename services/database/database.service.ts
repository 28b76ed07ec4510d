import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { databaseHealth } from "../../lib/runtime/health.ts";
import { AccessMixin } from "../../mixins/access.mixin.ts";
import { actions } from "./database.contract.ts";

/** On each node that has a database: what nodes without one ask. */
export const DatabaseService: ServiceSchema<ServiceSettingSchema, object, object> = {
  name: "database",
  mixins: [AccessMixin],
  actions: implement(actions, { health: databaseHealth }),
};
