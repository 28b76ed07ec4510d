import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { params } from "../../lib/contract/fields.ts";
import { databaseHealth } from "../../lib/runtime/health.ts";
import { AccessMixin } from "../../mixins/access.mixin.ts";

/** On each node that has a database: what nodes without one ask, among our services only. */
export const DatabaseService: ServiceSchema<ServiceSettingSchema, object, object> = {
  name: "database",
  mixins: [AccessMixin],
  actions: {
    health: { access: "internal", visibility: "public", params: params({}), handler: databaseHealth },
  },
};
