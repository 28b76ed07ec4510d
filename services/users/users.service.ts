import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { callerOf, type Meta } from "../../lib/contract/caller.ts";
import type { Actions, Preferences, User, UserPage } from "../../lib/contract/contracts.ts";
import { Forbidden } from "../../lib/contract/errors.ts";
import { causeOf } from "../../lib/contract/events.ts";
import { profilesUpdated, usersTotal } from "../../lib/runtime/metrics.ts";
import { AccessMixin, userOf } from "../../mixins/access.mixin.ts";
import { databaseMixin, type Reader } from "../../mixins/database.mixin.ts";
import { type Change, changeUser } from "../../models/change-user.ts";
import { User as UserModel, type UserRow } from "../../models/user.ts";
import { findByEmail, findByKeycloakId } from "./users.find.ts";
import { type Listing, listUsers } from "./users.list.ts";
import { presentUser } from "./users.presenter.ts";
import * as rules from "./users.rules.ts";
import * as schemas from "./users.schemas.ts";
import { insertUser, refuseTaken } from "./users.store.ts";

type Ctx<Name extends keyof Actions> = Context<Actions[Name]["params"], Meta>;

/** Profiles and preferences (SPEC 2 and 12). */
const UsersService: ServiceSchema<ServiceSettingSchema, object, Reader<UserModel>> = {
  name: "users",
  mixins: [databaseMixin(UserModel), AccessMixin],

  actions: {
    create: {
      access: "keycloak-owner",
      logAs: "user_create",
      params: schemas.create,
      async handler(ctx: Ctx<"users.create">): Promise<User> {
        const { email } = ctx.params;
        if (!rules.mayCreateWith(email, callerOf(ctx.meta)))
          throw new Forbidden("Not the e-mail of the token");
        const { user, event } = rules.newUser(ctx.params, crypto.randomUUID(), new Date());
        const row = await insertUser(user, event, causeOf(ctx));
        usersTotal.inc();
        return presentUser(row);
      },
    },

    get: {
      access: "owner",
      logAs: "user_read",
      logLevel: "debug",
      params: schemas.byId,
      handler: (ctx: Ctx<"users.get">): User => presentUser(userOf(ctx)),
    },

    getByKeycloakId: {
      access: "keycloak-owner",
      logAs: "user_read",
      logLevel: "debug",
      params: schemas.byKeycloakId,
      async handler(ctx: Ctx<"users.getByKeycloakId">): Promise<User> {
        return presentUser(await findByKeycloakId(this, ctx.params.keycloakId));
      },
    },

    getByEmail: {
      access: "admin",
      logAs: "user_read",
      logLevel: "debug",
      params: schemas.byEmail,
      async handler(ctx: Ctx<"users.getByEmail">): Promise<User> {
        return presentUser(await findByEmail(this, ctx.params.email));
      },
    },

    list: {
      access: "admin",
      logAs: "user_read",
      logLevel: "debug",
      params: schemas.list,
      handler(ctx: Context<Listing, Meta>): Promise<UserPage> {
        return listUsers(this, ctx.params);
      },
    },

    update: {
      access: "owner",
      logAs: "user_update",
      params: schemas.update,
      handler(ctx: Ctx<"users.update">): Promise<User> {
        return changeProfile(ctx, (user) => rules.updateProfile(user, ctx.params.profile));
      },
    },

    replaceProfile: {
      access: "owner",
      logAs: "user_update",
      params: schemas.replaceProfile,
      handler(ctx: Ctx<"users.replaceProfile">): Promise<User> {
        return changeProfile(ctx, (user) => rules.replaceProfile(user, ctx.params));
      },
    },

    changeEmail: {
      access: "admin",
      logAs: "user_update",
      params: schemas.changeEmail,
      handler(ctx: Ctx<"users.changeEmail">): Promise<User> {
        const { email } = ctx.params;
        return changeProfile(ctx, (user) => rules.changeEmail(user, email)).catch(refuseTaken({ email }));
      },
    },

    remove: {
      access: "owner",
      logAs: "user_delete",
      params: schemas.byId,
      async handler(ctx: Ctx<"users.remove">): Promise<{ message: string }> {
        const now = new Date();
        const reason = rules.removalReason(callerOf(ctx.meta), userOf(ctx).keycloakId);
        await changeUser("users", ctx.params.id, causeOf(ctx), (user) => rules.remove(user, reason, now));
        return { message: "User deleted successfully" };
      },
    },

    getPreferences: {
      access: "owner",
      params: schemas.byId,
      handler: (ctx: Ctx<"users.getPreferences">): Preferences => rules.preferencesOf(userOf(ctx)),
    },

    updatePreferences: {
      access: "owner",
      logAs: "preferences_update",
      params: schemas.updatePreferences,
      async handler(ctx: Ctx<"users.updatePreferences">): Promise<Preferences> {
        const { id, ...wish } = ctx.params;
        const decide = (user: UserRow) => rules.updatePreferences(user, wish);
        return rules.preferencesOf(await changeUser("users", id, causeOf(ctx), decide));
      },
    },
  },
};

/** Changes a profile by a rule, counts it where something changed, and returns the user as it is then. */
async function changeProfile(
  ctx: Context<{ id: string }, Meta>,
  decide: (user: UserRow) => Change | undefined,
): Promise<User> {
  let changed = false;
  const row = await changeUser("users", ctx.params.id, causeOf(ctx), (user) => {
    const change = decide(user);
    changed = change !== undefined;
    return change;
  });
  if (changed) profilesUpdated.inc();
  return presentUser(row);
}

export default UsersService;
