import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { databaseHealth } from "../../lib/runtime/health.ts";
import { AccessMixin } from "../../mixins/access.mixin.ts";
import { actions } from "./database.contract.ts";

/** Runs on each node with a database, for the nodes without one. */
export const DatabaseService: ServiceSchema<ServiceSettingSchema, object, object> = {
  name: "database",
  mixins: [AccessMixin],
  actions: implement(actions, { health: databaseHealth }),
};
