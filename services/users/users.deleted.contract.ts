import { action } from "../../lib/contract/action.ts";
import { EmailTaken, KeycloakIdTaken, RestoreTooLate } from "../../lib/contract/errors.ts";
import { ADA, id, User } from "./users.fields.ts";

/** What can be done with deleted users (contract 25). */

export const deletedActions = {
  restore: action({
    rest: "POST /users/:id/restore",
    access: "admin-only",
    logAs: "user_restore",
    params: { id },
    result: User,
    operationId: "restoreUser",
    summary: "Restore a deleted user, without the avatar",
    errors: [new EmailTaken(ADA.email), new KeycloakIdTaken(ADA.keycloakId), new RestoreTooLate(ADA.id, 30)],
    example: { params: { id: ADA.id }, result: ADA },
  }),
};
