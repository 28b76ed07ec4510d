import type { ActionContract } from "../../../lib/contract/action.ts";
import type { Access } from "../../../lib/contract/caller.ts";
import { EmailTaken, UserNotFound } from "../../../lib/contract/errors.ts";
import { ADA } from "../../users/users.contract.ts";
import { REST_ROUTES, type RestRoute } from "../api.routes.ts";

/** The routes of the gateway as operations of the OpenAPI document, with their allowed callers. */

export type Operation = {
  /** The name of the action. */
  name: string;
  contract: ActionContract;
  method: string;
  path: string;
  who: string;
  security: object[];
};

const BEARER = { bearer: [] };
const INTERNAL = { internal: [] };

type Callers = Pick<Operation, "who" | "security">;
const OWNER: Callers = {
  who: "For the owner, admins and internal services.",
  security: [BEARER, INTERNAL],
};
const CALLERS: Record<Access, Callers> = {
  anyone: { who: "Open to anyone.", security: [] },
  owner: OWNER,
  person: { who: "For the owner and admins.", security: [BEARER] },
  "keycloak-owner": OWNER,
  admin: { who: "For admins and internal services.", security: [BEARER, INTERNAL] },
  "admin-only": { who: "For admins.", security: [BEARER] },
  internal: { who: "For internal services.", security: [INTERNAL] },
};

/** At `/users/me`. */
const callersOfMine = (access: Access): Callers => ({
  who: access.startsWith("admin") ? "For admins." : "For any signed-in user.",
  security: [BEARER],
});

export const OPERATIONS: Operation[] = REST_ROUTES.map(toOperation);

function toOperation({ route, action: name, contract, me }: RestRoute): Operation {
  const [method = "", path = ""] = route.split(" ");
  return me
    ? { name, method, path, contract: mine(contract, name), ...callersOfMine(contract.access) }
    : { name, method, path, contract, ...CALLERS[contract.access] };
}

/** The same operation for the user of the token, without the id. */
function mine(contract: ActionContract, name: string): ActionContract {
  const { id, ...params } = contract.params;
  const { operationId = "", summary, access, errors = [] } = contract;
  return {
    ...contract,
    params,
    operationId: /User$/.test(operationId)
      ? operationId.replace(/User$/, "Me")
      : operationId.replace(/^[a-z]+/, "$&My"),
    summary: `${summary} (me)`,
    access: access === "anyone" ? "owner" : access,
    whileSuspended: name === "identities.getByKeycloakId" || undefined,
    errors: [
      new UserNotFound("Keycloak ID", ADA.keycloakId),
      ...(name === "users.getByKeycloakId" ? [new EmailTaken(ADA.email)] : []), // with USERS_AUTO_CREATE
      ...errors,
    ],
  };
}
