import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { config } from "../../lib/config/config.ts";
import { implement } from "../../lib/contract/action.ts";
import { call } from "../../lib/contract/call.ts";
import { callerOf, demandRole, type Meta } from "../../lib/contract/caller.ts";
import { Forbidden, UserNotFound } from "../../lib/contract/errors.ts";
import { profilesUpdated, usersTotal } from "../../lib/runtime/metrics.ts";
import { repeat } from "../../lib/runtime/tasks.ts";
import { AccessMixin, userOf, userWithKeycloakId } from "../../mixins/access.mixin.ts";
import { databaseMixin, type Reader } from "../../mixins/database.mixin.ts";
import { type Change, changeUser } from "../../models/change-user.ts";
import { once, purgeAnswers } from "../../models/idempotency.ts";
import { watchReplica } from "../../models/replica.ts";
import { User as UserModel, type UserRow } from "../../models/user.ts";
import { findUser, reportVersion } from "../../models/user-row.ts";
import { actions, type Past, type User } from "./users.contract.ts";
import { removalReason, remove } from "./users.deleted.rules.ts";
import * as erasure from "./users.erasure.ts";
import { exportUser } from "./users.export.ts";
import { findByEmail, findPerson } from "./users.find.ts";
import { shownTo } from "./users.history.rules.ts";
import { findPast, listHistory, purgeHistory } from "./users.history.ts";
import { endHold, holdUser } from "./users.holds.ts";
import { takeInventory } from "./users.inventory.ts";
import { listUsers } from "./users.list.ts";
import { lookUp, resolve } from "./users.many.ts";
import { observeOverdue } from "./users.overdue.ts";
import { presentUser } from "./users.presenter.ts";
import { insertReceipts } from "./users.receipts.ts";
import { cancelErasure, restoreUser } from "./users.restore.ts";
import * as rules from "./users.rules.ts";
import { signUp } from "./users.sign-up.ts";
import { ensureUser, insertUser, refuseTaken } from "./users.store.ts";

/** In ms. */
const EVERY = { purge: 3_600_000, observe: 600_000 };

type Methods = {
  /** Deletes what has expired and erases the users that are due. Returns the number of erased users. */
  purge(): Promise<number>;
};
type State = Reader<UserModel> & { stopping: AbortController };

/** Profiles, preferences, history and deleted users (contract 2, 12, 24 and 25). */
const UsersService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "users",
  mixins: [databaseMixin(UserModel), AccessMixin],

  methods: {
    async purge() {
      await purgeAnswers();
      if (config.historyKeepDays > 0) await purgeHistory(config.historyKeepDays);
      return erasure.eraseDue((error) => this.logger.error(error));
    },
  },

  actions: implement(actions, {
    async create(ctx) {
      demandEmail(ctx);
      const { user, event } = rules.newUser(ctx.params, crypto.randomUUID(), new Date());
      const created = await once(ctx, async (tx) => answerWith(ctx, await insertUser(ctx, user, event, tx)));
      if (!ctx.meta.replayed) usersTotal.inc();
      return created;
    },

    async ensure(ctx) {
      demandEmail(ctx);
      const { row, created } = await ensureUser(ctx, ctx.params);
      ctx.meta.created = created;
      ctx.locals.hadNoEffect = !created;
      if (created) usersTotal.inc();
      return answerWith(ctx, row);
    },

    get: (ctx) => answerAsked(ctx, userOf(ctx)),

    async getByKeycloakId(ctx) {
      const user = await userWithKeycloakId(ctx).catch(async (missing) => {
        if (!ctx.meta.signUp || missing.type !== "USER_NOT_FOUND") throw missing;
        await call(ctx, "users.signUp", ctx.meta.signUp);
        return userWithKeycloakId(ctx);
      });
      return answerAsked(ctx, user);
    },

    async signUp(ctx) {
      const { keycloakId, email, fullName, issuedAt } = ctx.params;
      const created = await signUp(ctx, { keycloakId, email, profile: { fullName } }, issuedAt);
      ctx.locals.hadNoEffect = !created;
      if (created) usersTotal.inc();
      return { created };
    },

    getByEmail: async (ctx) => answerWith(ctx, await findByEmail(ctx.params.email)),

    list(this: Reader<UserModel>, ctx) {
      return listUsers(this, ctx.params);
    },

    lookup: (ctx) => lookUp(ctx.params),

    resolve: (ctx) => resolve(ctx.params),

    update: (ctx) => changeProfile(ctx, (user) => rules.updateProfile(user, ctx.params.profile)),

    replaceProfile: (ctx) => changeProfile(ctx, (user) => rules.replaceProfile(user, ctx.params)),

    changeEmail(ctx) {
      const { email } = ctx.params;
      return changeProfile(ctx, (user) => rules.changeEmail(user, email)).catch(refuseTaken({ email }));
    },

    follow(ctx) {
      const { email, fullName } = ctx.params;
      const wish = { email, fullName };
      return changeProfile(ctx, (user) => rules.follow(user, wish)).catch(
        refuseTaken({ email: email ?? "" }),
      );
    },

    async remove(ctx) {
      const now = new Date();
      const reason = removalReason(callerOf(ctx.meta), userOf(ctx).keycloakId);
      await changeUser("users", ctx, (user) => remove(user, reason, now));
      return { message: "User deleted successfully" };
    },

    getPreferences: (ctx) => rules.preferencesOf(reportVersion(ctx, userOf(ctx))),

    async updatePreferences(ctx) {
      const { id, ifVersion, ...patch } = ctx.params;
      const decide = (user: UserRow) => rules.updatePreferences(user, patch);
      return rules.preferencesOf(await changeUser("users", ctx, decide));
    },

    history: (ctx) => listHistory(ctx.params, shownTo(callerOf(ctx.meta))),

    async revert(ctx) {
      const { id, version } = ctx.params;
      const now = await findUser(id);
      if (!now) throw new UserNotFound("ID", id);
      const past = await findPast(now, { version });
      return changeProfile(ctx, (user) => rules.revert(user, past));
    },

    async restore(ctx) {
      return answerWith(ctx, await restoreUser(ctx));
    },

    export: (ctx) => exportUser(ctx, userOf(ctx)),

    requestErasure: (ctx) => erasure.requestErasure(ctx, (error) => ctx.service?.logger.error(error)),

    getErasure: (ctx) => erasure.showErasure(ctx.params.id),

    async cancelErasure(ctx) {
      await cancelErasure(ctx);
      return { message: "Erasure cancelled, user restored" };
    },

    hold: (ctx) => holdUser(ctx),

    async releaseHold(ctx) {
      await endHold(ctx.params.id, ctx.params.reason);
      return { message: "Hold released successfully" };
    },

    async eraseNow(ctx) {
      await erasure.eraseNow(ctx);
      return erasure.showErasure(ctx.params.id);
    },

    inventory: (ctx) => takeInventory(ctx.params.id),

    async purge(this: Methods) {
      return { erased: await this.purge() };
    },

    receive: (ctx) => insertReceipts(ctx.params.receipts),

    findPerson: (ctx) => findPerson(ctx.params.keycloakId),
  }),

  created() {
    this.stopping = new AbortController();
  },

  started() {
    const { signal } = this.stopping;
    const onError = (error: unknown) => this.logger.error(error);
    void repeat(() => this.purge(), { everyMs: EVERY.purge, signal, onError });
    void repeat(observeOverdue, { everyMs: EVERY.observe, signal, onError });
    if (config.readsReplica) void watchReplica(this.logger, signal);
  },

  stopped() {
    this.stopping.abort();
  },
};

/** @throws Forbidden if the caller's token contains another e-mail */
function demandEmail({ params, meta }: Pick<Context<{ email: string }, Meta>, "params" | "meta">): void {
  if (!rules.mayCreateWith(params.email, callerOf(meta))) throw new Forbidden("Not the e-mail of the token");
}

const answerWith = (ctx: { meta: Meta }, row: UserRow): User => presentUser(reportVersion(ctx, row));

/** The user as it is, or as it was if the call asks for a version or a time (contract 24). */
function answerAsked(ctx: Context<Past, Meta>, row: UserRow): User | Promise<User> {
  const { version, at } = ctx.params;
  return version === undefined && at === undefined ? answerWith(ctx, row) : answerPast(ctx, row);
}

async function answerPast(ctx: Context<Past, Meta>, row: UserRow): Promise<User> {
  demandRole("admin", callerOf(ctx.meta));
  const past = await findPast(reportVersion(ctx, row), ctx.params);
  return { ...presentUser(past), preferences: rules.preferencesOf(past) };
}

/** Changes a profile by a rule, counts the change if there was one, and returns the changed user. */
async function changeProfile(
  ctx: Context<{ id: string }, Meta>,
  decide: (user: UserRow) => Change | undefined,
): Promise<User> {
  let changed = false;
  const row = await changeUser("users", ctx, (user) => {
    const change = decide(user);
    changed = change !== undefined;
    return change;
  });
  if (changed) profilesUpdated.inc();
  return presentUser(row);
}

export default UsersService;
