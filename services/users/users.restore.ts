import { config } from "../../lib/runtime/config.ts";
import { type ChangeCall, changeDeleted } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import { restore } from "./users.rules.ts";
import { refuseTaken } from "./users.store.ts";

/**
 * Restores a deleted user; one that is not deleted stays unchanged. The unique indexes decide whether the e-mail and the
 * keycloakId are still free.
 * @throws UserNotFound, RestoreTooLate, EmailTaken, KeycloakIdTaken, DependencyUnavailable
 */
export async function restoreUser(ctx: ChangeCall): Promise<UserRow> {
  let wanted = { email: "", keycloakId: "" };
  const decide = (user: UserRow) => {
    wanted = user;
    return restore(user, config.restoreWithinDays, new Date());
  };
  return changeDeleted(ctx, decide).catch((error) => refuseTaken(wanted)(error));
}
