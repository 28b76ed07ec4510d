import { call } from "../shared/call.ts";
import type { Actions } from "../shared/contracts.ts";
import { Unauthorized, ValidationFailed } from "../shared/errors.ts";
import type { Binding, Handler } from "./gateway.types.ts";
import { refuseFields } from "./request.ts";
import { receiveFile } from "./upload.ts";

/** "Me" is whom the token speaks for: a service alone is nobody. */
const askForOneself: Handler = (req, _res, next) => {
  const { user } = req.$ctx.meta.caller ?? {};
  if (!user) return next(new Unauthorized("A user's token is required"));
  refuseFields(Object.keys(req.$params), "is not a known field");
  req.$params.keycloakId = user.sub;
  next();
};

/** An upload's call lasts as long as the file takes to arrive, in ms. */
const UPLOAD_TIMEOUT = 30_000;

const uploadAvatar: Handler = function (req, res, next) {
  const { id } = req.$params as { id: string };
  receiveFile(req, (stream) =>
    call(req.$ctx, "avatars.upload", { id }, { stream, timeout: UPLOAD_TIMEOUT }),
  ).then((uploaded) => this.sendResponse(req, res, uploaded), next);
};

const WEBP = /\bimage\/webp\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/;

const YEAR = 31_536_000; // seconds
const MINUTES = 300;

/** The image, for `<img>`: immutable under its current version, and inert whatever it may hold. */
const sendAvatar: Handler = function (req, res, next) {
  const { v, ...params } = req.$params as { v?: string; id: string; size?: number };
  if ("webp" in params)
    return next(new ValidationFailed([{ field: "webp", message: "is not a known field" }]));
  const webp = WEBP.test(req.headers.accept ?? "");
  call(req.$ctx, "avatars.get", { ...params, webp }).then(({ body, contentType, etag, version }) => {
    res.setHeader("ETag", etag);
    res.setHeader("Vary", "Accept");
    res.setHeader(
      "Cache-Control",
      v === version ? `public, max-age=${YEAR}, immutable` : `public, max-age=${MINUTES}`,
    );
    res.setHeader("X-Content-Type-Options", "nosniff");
    res.setHeader("Content-Security-Policy", "default-src 'none'; sandbox");
    Object.assign(req.$ctx.meta, { $responseType: contentType });
    this.sendResponse(req, res, body);
  }, next);
};

/** The REST routes (SPEC 2) and the actions they call. The first that matches is taken. */
export const ROUTES: Record<string, keyof Actions | Binding> = {
  "POST /users": { action: "users.create", status: 201 },
  "GET /users": "users.list",
  "GET /users/me": { action: "users.getByKeycloakId", handler: askForOneself },
  "GET /users/by-keycloak/:keycloakId": "users.getByKeycloakId",
  "GET /users/by-email/:email": "users.getByEmail",
  "GET /users/:id": "users.get",
  "PATCH /users/:id": "users.update",
  "DELETE /users/:id": "users.remove",
  "PUT /users/:id/profile": "users.replaceProfile",
  "PUT /users/:id/email": "users.changeEmail",
  "POST /users/:id/avatar": { action: "avatars.upload", handler: uploadAvatar, streamsBody: true },
  "GET /users/:id/avatar": { action: "avatars.get", handler: sendAvatar },
  "DELETE /users/:id/avatar": "avatars.remove",
  "GET /users/:id/stats": "stats.get",
  "POST /users/:id/stats/increment-interviews": "stats.incrementInterviews",
  "GET /users/:id/preferences": "users.getPreferences",
  "PATCH /users/:id/preferences": "users.updatePreferences",
  "GET /users/:id/quotas": "stats.getQuotas",
  "PATCH /users/:id/quotas": "stats.setQuotas",
};
