import type { Service, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { AccessMixin, userOf, userWithKeycloakId } from "../../mixins/access.mixin.ts";
import { changeUser } from "../../models/change-user.ts";
import { findIdentity } from "../../models/identity.ts";
import { actions } from "./identities.contract.ts";
import { receiveHints } from "./identities.receive.ts";
import * as rules from "./identities.rules.ts";
import { followKeycloak, syncNow } from "./identities.work.ts";

type State = { stopping: AbortController; following: Promise<void> };

/** The status of users, and what is known of them from Keycloak (contract 27). */
const IdentitiesService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "identities",
  mixins: [AccessMixin],

  actions: implement(actions, {
    get: (ctx) => findIdentity(userOf(ctx)),

    getByKeycloakId: async (ctx) => findIdentity(await userWithKeycloakId(ctx)),

    async suspend(ctx) {
      const { reason } = ctx.params;
      return findIdentity(await changeUser("identities", ctx, (user) => rules.suspend(user, reason)));
    },

    activate: async (ctx) => findIdentity(await changeUser("identities", ctx, rules.activate)),

    receive: (ctx) => receiveHints(ctx.params.hints),

    sync(this: Service, ctx) {
      return syncNow(this, ctx.params);
    },
  }),

  created() {
    this.stopping = new AbortController();
  },

  started() {
    this.following = followKeycloak(this, this.stopping.signal);
  },

  async stopped() {
    this.stopping.abort();
    await this.following;
  },
};

export default IdentitiesService;
