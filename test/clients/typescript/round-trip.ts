import createClient from "openapi-fetch";
import type { paths } from "./api.d.ts";

/** A round trip with the types that openapi-typescript generates: create, get, change, and the errors. */

declare const process: { env: { URL: string; TOKEN: string } };

function check(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new Error(`Expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}

const { URL: baseUrl, TOKEN } = process.env;
const api = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${TOKEN}` } });
const keycloakId = `typescript-${crypto.randomUUID()}`;
const creation = {
  params: { header: { "Idempotency-Key": keycloakId } },
  body: {
    keycloakId,
    email: `${keycloakId}@example.com`,
    profile: { fullName: "Ada Lovelace", companyName: "X" },
  },
};

const created = await api.POST("/api/v1/users", creation);
if (!created.data) throw new Error(created.error.message);
const user = created.data;
const path = { id: user.id };
check((await api.POST("/api/v1/users", creation)).data, user);

const found = await api.GET("/api/v1/users/{id}", { params: { path } });
check(found.data, user);
const etag = found.response.headers.get("etag") ?? "";
const current = await api.GET("/api/v1/users/{id}", {
  params: { path, header: { "If-None-Match": etag } },
});
check(current.response.status, 304);

const changed = await api.PATCH("/api/v1/users/{id}", {
  params: { path, header: { "If-Match": etag } },
  body: { profile: { companyName: null } },
});
check([changed.data?.profile.fullName, changed.data?.profile.companyName], ["Ada Lovelace", null]);
const late = await api.PATCH("/api/v1/users/{id}", {
  params: { path, header: { "If-Match": etag } },
  body: { profile: { companyName: "Y" } },
});
check([late.response.status, late.error?.statusCode], [412, 412]);

const missing = await api.GET("/api/v1/users/{id}", { params: { path: { id: crypto.randomUUID() } } });
check([missing.error?.statusCode, missing.response.headers.get("x-error-code")], [404, "USER_NOT_FOUND"]);

const refused = await api.POST("/api/v1/users", { body: { ...creation.body, email: "no e-mail" } });
check(
  refused.error?.details?.map(({ field }) => field),
  ["email"],
);
