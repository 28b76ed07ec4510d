import { call } from "../../lib/contract/call.ts";
import type { Actions } from "../../lib/contract/contracts.ts";
import { sendAvatar } from "./avatar-image.ts";
import type { Binding, Handler } from "./gateway.types.ts";
import { receiveFile } from "./upload.ts";

/** "Me" is whom the token speaks for. */
const askForOneself: Handler = (req, _res, next) => {
  req.$params.keycloakId = req.$ctx.meta.caller?.user?.sub;
  next();
};

/** An upload's call lasts as long as the file takes to arrive, in ms. */
const UPLOAD_TIMEOUT = 30_000;

const uploadAvatar: Handler = function (req, res, next) {
  const { id } = req.$params as { id: string };
  receiveFile(req, (stream) =>
    call(req.$ctx, "avatars.upload", { id }, { stream, timeout: UPLOAD_TIMEOUT, retries: 0 }),
  ).then((uploaded) => this.sendResponse(req, res, uploaded), next);
};

export const BASE_PATH = "/api/v1";

/** The REST routes (SPEC 2) and the actions they call. The first that matches is taken. */
export const ROUTES: Record<string, keyof Actions | Binding> = {
  "POST /users": { action: "users.create", status: 201 },
  "GET /users": "users.list",
  "GET /users/me": { action: "users.getByKeycloakId", handler: askForOneself, forUser: true, query: [] },
  "GET /users/by-keycloak/:keycloakId": "users.getByKeycloakId",
  "GET /users/by-email/:email": "users.getByEmail",
  "GET /users/:id": "users.get",
  "PATCH /users/:id": "users.update",
  "DELETE /users/:id": "users.remove",
  "PUT /users/:id/profile": "users.replaceProfile",
  "PUT /users/:id/email": "users.changeEmail",
  "POST /users/:id/avatar": { action: "avatars.upload", handler: uploadAvatar, streamsBody: true },
  "GET /users/:id/avatar": {
    action: "avatars.get",
    handler: sendAvatar,
    query: ["size", "v"],
    ignoresOtherQuery: true,
  },
  "DELETE /users/:id/avatar": "avatars.remove",
  "GET /users/:id/stats": "stats.get",
  "POST /users/:id/stats/increment-interviews": "stats.incrementInterviews",
  "GET /users/:id/preferences": "users.getPreferences",
  "PATCH /users/:id/preferences": "users.updatePreferences",
  "GET /users/:id/quotas": "stats.getQuotas",
  "PATCH /users/:id/quotas": "stats.setQuotas",
};
