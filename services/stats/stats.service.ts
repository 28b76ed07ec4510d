import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import type { Meta } from "../../lib/contract/caller.ts";
import type { Actions, InternalActions, Outcome, Quotas, Stats } from "../../lib/contract/contracts.ts";
import { causeOf } from "../../lib/contract/events.ts";
import { repeat } from "../../lib/runtime/tasks.ts";
import { AccessMixin, userOf } from "../../mixins/access.mixin.ts";
import { changeUser } from "../../models/change-user.ts";
import { applyEvents } from "./stats.apply.ts";
import { presentQuotas, presentStats } from "./stats.presenter.ts";
import { effectOf, setQuotas } from "./stats.rules.ts";
import * as schemas from "./stats.schemas.ts";
import { purgeProcessed } from "./stats.store.ts";

type Ctx<Name extends keyof (Actions & InternalActions)> = Context<
  (Actions & InternalActions)[Name]["params"],
  Meta
>;

const PURGE_EVERY = 3_600_000; // ms

/** Counters and quotas (SPEC 2, 7 and 12). */
const StatsService: ServiceSchema<ServiceSettingSchema, object, { stopping: AbortController }> = {
  name: "stats",
  mixins: [AccessMixin],

  actions: {
    get: {
      access: "owner",
      params: schemas.byId,
      handler: (ctx: Ctx<"stats.get">): Stats => presentStats(userOf(ctx)),
    },

    incrementInterviews: {
      access: "internal",
      logAs: "stats_update",
      params: schemas.byId,
      async handler(ctx: Ctx<"stats.incrementInterviews">): Promise<Stats> {
        const add = effectOf({ eventType: "interview.created", amount: 0 });
        return presentStats(await changeUser("stats", ctx.params.id, causeOf(ctx), () => ({ add })));
      },
    },

    getQuotas: {
      access: "owner",
      params: schemas.byId,
      handler: (ctx: Ctx<"stats.getQuotas">): Quotas => presentQuotas(userOf(ctx)),
    },

    setQuotas: {
      access: "admin",
      logAs: "quotas_update",
      params: schemas.setQuotas,
      async handler(ctx: Ctx<"stats.setQuotas">): Promise<Quotas> {
        const { id, ...limits } = ctx.params;
        return presentQuotas(await changeUser("stats", id, causeOf(ctx), (user) => setQuotas(user, limits)));
      },
    },

    /** Among our services only: what `ingest` read, counted. Safe to repeat, so it is retried. */
    apply: {
      access: "internal",
      logAs: "stats_update",
      visibility: "public",
      params: schemas.apply,
      retryPolicy: {
        enabled: true,
        retries: 5,
        delay: 500,
        factor: 2,
        maxDelay: 8_000,
        check: (error: Error & { retryable?: boolean }) => error.retryable === true,
      },
      handler: (ctx: Ctx<"stats.apply">): Promise<Outcome[]> => applyEvents(ctx.params.events, causeOf(ctx)),
    },
  },

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
