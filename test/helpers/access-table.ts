import { newUser, type Person } from "./people.ts";
import type { Asked } from "./request.ts";

const users = "/api/v1/users";
type Call = (person: Person) => Asked;
const get =
  (rest: string | ((person: Person) => string)): Call =>
  (person) => ({ path: `${users}/${typeof rest === "string" ? person.id + rest : rest(person)}` });
const send =
  (method: string, rest = "", body?: object): Call =>
  ({ id }) => ({ method, path: `${users}/${id}${rest}`, body });
const upload: Call = ({ id }) => ({
  method: "POST",
  path: `${users}/${id}/avatar`,
  headers: { "content-type": "multipart/form-data; boundary=b" },
  body: '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nno image\r\n--b--\r\n',
});

/** The same call for "me" in place of the person's id. */
const mine =
  (call: Call): Call =>
  (person) =>
    call({ ...person, id: "me" });

/** Every route with the status for each caller (contract 2). "nobody" sends no token, or a bad one. 404 and 415 mean that access was granted. */
// biome-ignore format: a table
export const TABLE: [string, Call, ...number[]][] = [
  //                                            self other admin internal nobody
  ["POST /users", () => ({ method: "POST", path: users, body: newUser({ keycloakId: "stranger-to-be" }) }), 403, 403, 201, 201, 401],
  ["GET /users/:id", get(""),                                  200, 403, 200, 200, 401],
  ["GET /users/by-keycloak/:keycloakId", get(({ keycloakId }) => `by-keycloak/${keycloakId}`), 200, 403, 200, 200, 401],
  ["PUT /users/by-keycloak/:keycloakId", ({ keycloakId, email }) => ({ method: "PUT", path: `${users}/by-keycloak/${keycloakId}`, body: { email, profile: { fullName: "New Name" } } }), 200, 403, 200, 200, 401],
  ["PATCH /users/:id", send("PATCH", "", { profile: { bio: "x" } }), 200, 403, 200, 200, 401],
  ["DELETE /users/:id", send("DELETE"),                        200, 403, 200, 200, 401],
  ["PUT /users/:id/profile", send("PUT", "/profile", { fullName: "New Name" }), 200, 403, 200, 200, 401],
  ["POST /users/:id/avatar", upload,                           415, 403, 415, 415, 401],
  ["DELETE /users/:id/avatar", send("DELETE", "/avatar"),      404, 403, 404, 404, 401],
  ["GET /users/:id/stats", get("/stats"),                      200, 403, 200, 200, 401],
  ["POST /users/:id/stats/increment-interviews", send("POST", "/stats/increment-interviews"), 403, 403, 403, 200, 401],
  ["GET /users/me", get(() => "me"),                           200, 200, 404, 401, 401],
  ["GET /users/by-email/:email", get(({ email }) => `by-email/${email}`), 403, 403, 200, 200, 401],
  ["PUT /users/:id/email", send("PUT", "/email", { email: "moved@example.com" }), 403, 403, 200, 200, 401],
  ["GET /users", () => ({ path: users }),                      403, 403, 200, 200, 401],
  ["POST /users/lookup", ({ id }) => ({ method: "POST", path: `${users}/lookup`, body: { ids: [id] } }), 403, 403, 200, 200, 401],
  ["GET /users/:id/avatar", get("/avatar"),                    404, 404, 404, 404, 404],
  ["GET /users/:id/preferences", get("/preferences"),          200, 403, 200, 200, 401],
  ["PATCH /users/:id/preferences", send("PATCH", "/preferences", { language: "de" }), 200, 403, 200, 200, 401],
  ["GET /users/:id/quotas", get("/quotas"),                    200, 403, 200, 200, 401],
  ["PATCH /users/:id/quotas", send("PATCH", "/quotas", { maxInterviews: 1 }), 403, 403, 200, 200, 401],
  ["POST /users/:id/quota/reservations", send("POST", "/quota/reservations", { resource: "interviews" }), 403, 403, 403, 201, 401],
  ["POST /users/:id/quota/reservations/:reservationId/commit", send("POST", "/quota/reservations/00000000-0000-4000-8000-000000000000/commit"), 403, 403, 403, 404, 401],
  ["DELETE /users/:id/quota/reservations/:reservationId", send("DELETE", "/quota/reservations/00000000-0000-4000-8000-000000000000"), 403, 403, 403, 404, 401],
  ["GET /users/:id/history", get("/history"),                  200, 403, 200, 200, 401],
  ["GET /users/:id/identity", get("/identity"),                200, 403, 200, 200, 401],
  ["POST /users/:id/suspend", send("POST", "/suspend", { reason: "Sent spam" }), 403, 403, 200, 200, 401],
  ["POST /users/:id/activate", send("POST", "/activate"),      403, 403, 200, 200, 401],
  ["POST /users/:id/revert", send("POST", "/revert", { version: 1 }), 403, 403, 200, 403, 401],
  ["GET /users/:id/export", get("/export"),                    200, 403, 200, 403, 401],
  ["POST /users/:id/erasure", send("POST", "/erasure"),        202, 403, 202, 403, 401],
  ["GET /users/:id/erasure", get("/erasure"),                  404, 403, 404, 403, 401],
  ["DELETE /users/:id/erasure", send("DELETE", "/erasure"),    403, 403, 404, 403, 401],
  ["PUT /users/:id/hold", send("PUT", "/hold", { reason: "court case" }), 403, 403, 200, 403, 401],
  ["DELETE /users/:id/hold", send("DELETE", "/hold"),          403, 403, 404, 403, 401],
  ["POST /users/:id/restore", send("POST", "/restore"),        403, 403, 200, 403, 401],
  ["PATCH /users/me", mine(send("PATCH", "", { profile: { bio: "x" } })), 200, 200, 404, 401, 401],
  ["DELETE /users/me", mine(send("DELETE")),                   200, 200, 404, 401, 401],
  ["PUT /users/me/profile", mine(send("PUT", "/profile", { fullName: "New Name" })), 200, 200, 404, 401, 401],
  ["PUT /users/me/email", mine(send("PUT", "/email", { email: "moved@example.com" })), 403, 403, 404, 401, 401],
  ["GET /users/me/avatar", mine(get("/avatar")),               404, 404, 404, 401, 401],
  ["POST /users/me/avatar", mine(upload),                      415, 415, 404, 401, 401],
  ["DELETE /users/me/avatar", mine(send("DELETE", "/avatar")), 404, 404, 404, 401, 401],
  ["GET /users/me/preferences", mine(get("/preferences")),     200, 200, 404, 401, 401],
  ["PATCH /users/me/preferences", mine(send("PATCH", "/preferences", { language: "de" })), 200, 200, 404, 401, 401],
  ["GET /users/me/stats", mine(get("/stats")),                 200, 200, 404, 401, 401],
  ["GET /users/me/quotas", mine(get("/quotas")),               200, 200, 404, 401, 401],
  ["GET /users/me/history", mine(get("/history")),             200, 200, 404, 401, 401],
  ["GET /users/me/identity", mine(get("/identity")),           200, 200, 404, 401, 401],
  ["POST /users/me/suspend", mine(send("POST", "/suspend", { reason: "Sent spam" })), 403, 403, 404, 401, 401],
  ["POST /users/me/activate", mine(send("POST", "/activate")), 403, 403, 404, 401, 401],
  ["POST /users/me/revert", mine(send("POST", "/revert", { version: 1 })), 403, 403, 404, 403, 401],
  ["GET /users/me/export", mine(get("/export")),               200, 200, 404, 403, 401],
  ["POST /users/me/erasure", mine(send("POST", "/erasure")),   202, 202, 404, 403, 401],
  ["GET /users/me/erasure", mine(get("/erasure")),             404, 404, 404, 403, 401],
  ["DELETE /users/me/erasure", mine(send("DELETE", "/erasure")), 403, 403, 404, 403, 401],
  ["PUT /users/me/hold", mine(send("PUT", "/hold", { reason: "court case" })), 403, 403, 404, 403, 401],
  ["DELETE /users/me/hold", mine(send("DELETE", "/hold")),     403, 403, 404, 403, 401],
  ["POST /users/me/restore", mine(send("POST", "/restore")),   403, 403, 404, 403, 401],
  ["PATCH /users/me/quotas", mine(send("PATCH", "/quotas", { maxInterviews: 1 })), 403, 403, 404, 401, 401],
  ["GET /health", () => ({ path: "/health" }),                 200, 200, 200, 200, 200],
  ["GET /health/live", () => ({ path: "/health/live" }),       200, 200, 200, 200, 200],
  ["GET /health/ready", () => ({ path: "/health/ready" }),     200, 200, 200, 200, 200],
  ["GET /metrics", () => ({ path: "/metrics" }),               200, 200, 200, 200, 200],
];
