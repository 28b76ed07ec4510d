import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { repeat } from "../../lib/runtime/tasks.ts";
import { causeOf } from "../../lib/tracing/cause.ts";
import { AccessMixin, userOf } from "../../mixins/access.mixin.ts";
import { changeUser } from "../../models/change-user.ts";
import { once } from "../../models/idempotency.ts";
import { reportVersion } from "../../models/user-row.ts";
import { CONSUMED } from "../ingest/ingest.contract.ts";
import { applyEvents } from "./stats.apply.ts";
import { actions } from "./stats.contract.ts";
import { presentQuotas, presentStats } from "./stats.presenter.ts";
import { setQuotas } from "./stats.rules.ts";
import { purgeProcessed } from "./stats.store.ts";

const PURGE_EVERY = 3_600_000; // ms

/** Counters and quotas (contract 2, 7 and 12). */
const StatsService: ServiceSchema<ServiceSettingSchema, object, { stopping: AbortController }> = {
  name: "stats",
  mixins: [AccessMixin],

  actions: implement(actions, {
    get: (ctx) => presentStats(userOf(ctx)),

    async incrementInterviews(ctx) {
      const add = CONSUMED["interview.created"].effect({ interviewId: "" });
      return once(ctx, async (tx) => presentStats(await changeUser("stats", ctx, () => ({ add }), tx)));
    },

    getQuotas: (ctx) => presentQuotas(reportVersion(ctx, userOf(ctx))),

    async setQuotas(ctx) {
      return presentQuotas(await changeUser("stats", ctx, (user) => setQuotas(user, ctx.params)));
    },

    apply: (ctx) => applyEvents(ctx.params.events, causeOf(ctx)),
  }),

  created() {
    this.stopping = new AbortController();
  },

  started() {
    const onError = (error: unknown) => this.logger.error(error);
    void repeat(() => purgeProcessed(), { everyMs: PURGE_EVERY, signal: this.stopping.signal, onError });
  },

  stopped() {
    this.stopping.abort();
  },
};

export default StatsService;
