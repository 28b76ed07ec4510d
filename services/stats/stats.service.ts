import type { ServiceSchema, ServiceSettingSchema } from "moleculer";
import type { Transaction } from "sequelize";
import { implement } from "../../lib/contract/action.ts";
import { sharedGaugeOf } from "../../lib/runtime/metrics.ts";
import { repeat } from "../../lib/runtime/tasks.ts";
import { causeOf } from "../../lib/tracing/cause.ts";
import { AccessMixin, userOf } from "../../mixins/access.mixin.ts";
import { changeUser } from "../../models/change-user.ts";
import { transaction } from "../../models/database.ts";
import { once } from "../../models/idempotency.ts";
import { reportVersion } from "../../models/user-row.ts";
import { inTurn } from "../../models/user-turn.ts";
import { CONSUMED } from "../ingest/ingest.contract.ts";
import { applyEvents } from "./stats.apply.ts";
import { actions } from "./stats.contract.ts";
import { commitReservation, releaseReservation } from "./stats.end.ts";
import { presentQuotas, presentReservation, presentStats } from "./stats.presenter.ts";
import { countRecent, purgeReservations, reserve } from "./stats.reservations.ts";
import { setQuotas, toSamples } from "./stats.rules.ts";
import { findAnyUsage, findUsage, purgeProcessed } from "./stats.store.ts";

sharedGaugeOf(
  "user_service_quota_reservations",
  "Reservations of quotas that have not expired, or did so within the last hour, by state",
  async () => toSamples(await countRecent()),
  ["resource", "state"],
);

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

    getAny: async (ctx) => ({
      stats: presentStats(userOf(ctx)),
      quotas: presentQuotas(await findAnyUsage(ctx.params.id)),
    }),

    getQuotas: async (ctx) => presentQuotas(reportVersion(ctx, await findUsage(ctx.params.id))),

    async setQuotas(ctx) {
      const { id } = ctx.params;
      const change = async (tx: Transaction) => {
        await changeUser("stats", ctx, (user) => setQuotas(user, ctx.params), tx);
        return findUsage(id, tx);
      };
      return presentQuotas(await inTurn(id, () => transaction(change)));
    },

    reserve: (ctx) =>
      once(ctx, async (tx) => {
        const { reservation, remaining } = await reserve(ctx.params, tx);
        return presentReservation(reservation, remaining);
      }),

    async commit(ctx) {
      const { reservation, usage } = await commitReservation(ctx);
      return presentReservation(reservation, presentQuotas(usage)[reservation.resource].remaining);
    },

    async release(ctx) {
      await releaseReservation(ctx.params);
      return { message: "Reservation released successfully" };
    },

    apply: (ctx) => applyEvents(ctx.params.events, causeOf(ctx)),
  }),

  created() {
    this.stopping = new AbortController();
  },

  started() {
    const onError = (error: unknown) => this.logger.error(error);
    const purge = async () => {
      await purgeProcessed();
      await purgeReservations();
    };
    void repeat(purge, { everyMs: PURGE_EVERY, signal: this.stopping.signal, onError });
  },

  stopped() {
    this.stopping.abort();
  },
};

export default StatsService;
