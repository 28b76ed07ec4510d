import { call } from "../../lib/contract/call.ts";
import { type Actions, REST_ACTIONS } from "../contracts.ts";
import { User } from "../users/users.fields.ts";
import { sendAvatar } from "./avatar-image.ts";
import type { Binding, Handler } from "./gateway.types.ts";
import { receiveFile, UPLOAD_WITHIN } from "./upload.ts";

export const BASE_PATH = "/api/v1";

const uploadAvatar: Handler = function (req, res, next) {
  const params = req.$params as { id: string; ifVersion?: number };
  receiveFile(req, res, (stream) =>
    call(req.$ctx, "avatars.upload", params, { stream, timeout: UPLOAD_WITHIN, retries: 0 }),
  ).then((uploaded) => this.sendResponse(req, res, uploaded), next);
};

/** The routes that are not only JSON in and JSON out, by their actions. */
const SPECIAL: Partial<Record<keyof Actions, Omit<Binding, "action">>> = {
  "avatars.upload": { handler: uploadAvatar, streamsBody: true },
  "avatars.get": { handler: sendAvatar, query: ["size", "v"], ignoresOtherQuery: true },
};

export const bindingOf = (action: string): Omit<Binding, "action"> => SPECIAL[action as keyof Actions] ?? {};

/** "Me" is the user of the token. */
const askForOneself: Handler = (req, _res, next) => {
  req.$params.keycloakId = req.$ctx.meta.caller?.user?.sub;
  next();
};
export const ME = { path: "/users/me", action: "users.getByKeycloakId" } as const;

/** A literal segment comes before a param, so that `me` is not taken for an id: `~` sorts last. */
const specificity = (route: string) => route.slice(route.indexOf(" ")).replaceAll(":", "~");

/** The REST routes (contract 2) and the actions they call. The first that matches a path is taken. */
export const ROUTES: Record<string, Binding> = Object.fromEntries(
  [
    ...REST_ACTIONS.map(
      ([action, { rest = "", status, location, idempotent, params, result }]): [string, Binding] => [
        rest,
        {
          action,
          status,
          location,
          idempotent,
          conditional: "ifVersion" in params,
          versioned: result.versioned as Binding["versioned"],
          ...bindingOf(action),
        },
      ],
    ),
    [
      `GET ${ME.path}`,
      {
        action: ME.action,
        versioned: User.versioned as Binding["versioned"],
        handler: askForOneself,
        forUser: true,
        query: [],
      },
    ] as const,
  ].sort(([a], [b]) => (specificity(a) < specificity(b) ? -1 : 1)),
);
