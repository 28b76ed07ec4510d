import type { ActionContract } from "../../lib/contract/action.ts";
import { call } from "../../lib/contract/call.ts";
import { type Actions, REST_ACTIONS } from "../contracts.ts";
import { sendAvatar } from "./avatar-image.ts";
import { sendExport } from "./document.ts";
import type { Binding, Handler } from "./gateway.types.ts";
import { withMyId } from "./me.ts";
import { receiveFile, UPLOAD_WITHIN } from "./upload.ts";

export const BASE_PATH = "/api/v1";

const uploadAvatar: Handler = function (req, res, next) {
  const params = req.$params as { id: string; ifVersion?: number };
  receiveFile(req, res, (stream) =>
    call(req.$ctx, "avatars.upload", params, { stream, timeout: UPLOAD_WITHIN, retries: 0 }),
  ).then((uploaded) => this.sendResponse(req, res, uploaded), next);
};

/** Routes that are more than JSON in and JSON out, by their actions. */
const SPECIAL: Partial<Record<keyof Actions, Omit<Binding, "action">>> = {
  "avatars.upload": { handler: uploadAvatar, streamsBody: true },
  "users.export": { handler: sendExport },
  "avatars.get": { handler: sendAvatar, query: ["size", "v"], ignoresOtherQuery: true },
};

export const bindingOf = (action: string): Omit<Binding, "action"> => SPECIAL[action as keyof Actions] ?? {};

/** A REST route: an action at a path. `me`: the param that comes from the token instead of the path. */
export type RestRoute = {
  route: string;
  action: keyof Actions;
  contract: ActionContract;
  me?: Binding["me"];
};

/** Routes that a user may call at `/users/:id` also exist at `/users/me`, for the user of the token (contract 23). */
function routesOf([action, contract]: (typeof REST_ACTIONS)[number]): RestRoute[] {
  const { rest: route = "" } = contract;
  const declared: RestRoute = { route, action, contract };
  if (!/ \/users\/:id(\/|$)/.test(route) || contract.access === "internal") return [declared];
  const mine: RestRoute = { route: route.replace(":id", "me"), action, contract, me: "id" };
  const byToken = BY_TOKEN[action];
  return [declared, byToken ? { ...mine, action: byToken, me: "keycloakId" } : mine];
}

/** The token contains the keycloakId, so these find the user with one call instead of two. */
const BY_TOKEN: Partial<Record<keyof Actions, keyof Actions>> = {
  "users.get": "users.getByKeycloakId",
  "identities.get": "identities.getByKeycloakId",
};

export const REST_ROUTES: RestRoute[] = REST_ACTIONS.flatMap(routesOf);

const toBinding = ({
  action,
  contract: { status, location, idempotent, params, result },
  me,
}: RestRoute): Binding => ({
  action,
  status,
  location,
  idempotent,
  conditional: "ifVersion" in params,
  versioned: result.versioned as Binding["versioned"],
  me,
  ...bindingOf(action),
  ...(me === "id" && { handler: withMyId({ action, ...bindingOf(action) }) }),
});

/** A literal segment comes before a param, so that `me` is not taken for an id: `~` sorts last. */
const specificity = (route: string) => route.slice(route.indexOf(" ")).replaceAll(":", "~");

/** The REST routes (contract 2) and their actions. The first route that matches a path is used. */
export const ROUTES: Record<string, Binding> = Object.fromEntries(
  REST_ROUTES.map((route): [string, Binding] => [route.route, toBinding(route)]).sort(([a], [b]) =>
    specificity(a) < specificity(b) ? -1 : 1,
  ),
);
