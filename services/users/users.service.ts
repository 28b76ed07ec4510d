import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { callerOf, type Meta } from "../../lib/contract/caller.ts";
import { Forbidden } from "../../lib/contract/errors.ts";
import { profilesUpdated, usersTotal } from "../../lib/runtime/metrics.ts";
import { repeat } from "../../lib/runtime/tasks.ts";
import { causeOf } from "../../lib/tracing/cause.ts";
import { AccessMixin, userOf } from "../../mixins/access.mixin.ts";
import { databaseMixin, type Reader } from "../../mixins/database.mixin.ts";
import { type Change, changeUser } from "../../models/change-user.ts";
import { once, purgeAnswers } from "../../models/idempotency.ts";
import { User as UserModel, type UserRow } from "../../models/user.ts";
import { reportVersion } from "../../models/user-row.ts";
import { actions, type User } from "./users.contract.ts";
import { findByEmail, findByKeycloakId } from "./users.find.ts";
import { listUsers } from "./users.list.ts";
import { lookUp, resolve } from "./users.many.ts";
import { presentUser } from "./users.presenter.ts";
import * as rules from "./users.rules.ts";
import { ensureUser, insertUser, refuseTaken } from "./users.store.ts";

const PURGE_EVERY = 3_600_000; // ms

type State = Reader<UserModel> & { stopping: AbortController };

/** Profiles and preferences (contract 2 and 12). */
const UsersService: ServiceSchema<ServiceSettingSchema, object, State> = {
  name: "users",
  mixins: [databaseMixin(UserModel), AccessMixin],

  actions: implement(actions, {
    async create(ctx) {
      demandEmail(ctx);
      const { user, event } = rules.newUser(ctx.params, crypto.randomUUID(), new Date());
      const created = await once(ctx, async (tx) =>
        answerWith(ctx, await insertUser(user, event, causeOf(ctx), tx)),
      );
      if (!ctx.meta.replayed) usersTotal.inc();
      return created;
    },

    async ensure(ctx) {
      demandEmail(ctx);
      const { row, created } = await ensureUser(ctx.params, causeOf(ctx));
      ctx.meta.created = created;
      ctx.locals.hadNoEffect = !created;
      if (created) usersTotal.inc();
      return answerWith(ctx, row);
    },

    get: (ctx) => answerWith(ctx, userOf(ctx)),

    async getByKeycloakId(this: Reader<UserModel>, ctx) {
      return answerWith(ctx, await findByKeycloakId(this, ctx.params.keycloakId));
    },

    async getByEmail(this: Reader<UserModel>, ctx) {
      return answerWith(ctx, await findByEmail(this, ctx.params.email));
    },

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

    async remove(ctx) {
      const now = new Date();
      const reason = rules.removalReason(callerOf(ctx.meta), userOf(ctx).keycloakId);
      await changeUser("users", ctx, (user) => rules.remove(user, reason, now));
      return { message: "User deleted successfully" };
    },

    getPreferences: (ctx) => rules.preferencesOf(reportVersion(ctx, userOf(ctx))),

    async updatePreferences(ctx) {
      const { id, ifVersion, ...patch } = ctx.params;
      const decide = (user: UserRow) => rules.updatePreferences(user, patch);
      return rules.preferencesOf(await changeUser("users", ctx, decide));
    },
  }),

  created() {
    this.stopping = new AbortController();
  },

  started() {
    const onError = (error: unknown) => this.logger.error(error);
    void repeat(() => purgeAnswers(), { everyMs: PURGE_EVERY, signal: this.stopping.signal, onError });
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
