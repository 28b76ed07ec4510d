import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startNode, type TestNode } from "../helpers/node.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The service with a real PostgreSQL and tokens of a real Keycloak. */

let node: TestNode;
const tokens: Record<string, string> = {};
const issuer = process.env.AUTH_ISSUER ?? "";

/** The tokens that Keycloak issues at a sign-in. */
type Issued = { access_token: string; id_token: string; refresh_token: string };

async function issue(name: string, client = "user-service"): Promise<Issued> {
  const form = new URLSearchParams({
    grant_type: "password",
    client_id: client,
    scope: "openid",
    username: name,
    password: name,
  });
  const answer = await fetch(`${issuer}/protocol/openid-connect/token`, { method: "POST", body: form });
  return (await answer.json()) as Issued;
}

const signIn = async (name: string): Promise<string> => (await issue(name)).access_token;

const subjectOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sub;

beforeAll(async () => {
  if (!issuer)
    throw new Error("AUTH_ISSUER is not set: the end-to-end tests need the real stack (README.md)");
  node = await startNode();
  for (const name of ["anna", "ben", "root"]) tokens[name] = await signIn(name);
});
afterAll(() => node?.stop());

const as = (name: string) => ({ authorization: `Bearer ${tokens[name]}` });

test("Anna can sign up with her Keycloak token, and GET /users/me returns her user", async () => {
  const keycloakId = subjectOf(tokens.anna ?? "");
  const body = { keycloakId, email: "anna@example.com", profile: { fullName: "Anna Meyer" } };
  const created = await node.http.post("/api/v1/users").set(as("anna")).send(body).expect(201);
  const me = await node.http.get("/api/v1/users/me").set(as("anna")).expect(200);
  expect(me.body).toEqual(created.body);
});

test("Ben can't read Anna's user or the list, and the admin root can", async () => {
  const me = await node.http.get("/api/v1/users/me").set(as("anna")).expect(200);
  await node.http.get(`/api/v1/users/${me.body.id}`).set(as("ben")).expect(403);
  await node.http.get(`/api/v1/users/${me.body.id}`).set(as("root")).expect(200);
  await node.http.get("/api/v1/users").set(as("ben")).expect(403);
  await node.http.get("/api/v1/users").set(as("root")).expect(200);
});

test("A user can't sign up with another e-mail than that of the token", async () => {
  const keycloakId = subjectOf(tokens.ben ?? "");
  const body = { keycloakId, email: "someone@example.com", profile: { fullName: "Ben Okafor" } };
  await node.http.post("/api/v1/users").set(as("ben")).send(body).expect(403);
});

const INVALID = 'Bearer error="invalid_token", error_description="The token is refused: ';

async function refusalOf(token: string): Promise<string | undefined> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await node.http.get("/api/v1/users/me").set(headers).expect(401);
  expect(answer.body.message).toBe("Invalid token");
  return answer.headers["www-authenticate"];
}

test("A token of a client without an audience mapper is refused, and the answer says that the audience is wrong", async () => {
  const { access_token } = await issue("anna", "another-app");
  expect(await refusalOf(access_token)).toBe(`${INVALID}its audience (aud) is not this service"`);
});

test("An ID token and a refresh token of Keycloak are refused", async () => {
  const { id_token, refresh_token } = await issue("anna");
  expect(await refusalOf(id_token)).toBe(`${INVALID}it is not an access token (typ)"`);
  expect(await refusalOf(refresh_token)).toBe(
    `${INVALID}it is malformed, or not signed with a key of the realm"`,
  );
});

test("A token is accepted if its audience is one of several in AUTH_AUDIENCE", async () => {
  const other = await startNode({ AUTH_AUDIENCE: "another-service, user-service" });
  try {
    await other.http.get("/api/v1/users").set(as("root")).expect(200);
  } finally {
    await other.stop();
  }
});

describe("With USERS_AUTO_CREATE", () => {
  let other: TestNode;
  beforeAll(async () => {
    other = await startNode({ USERS_AUTO_CREATE: "true" });
  });
  afterAll(() => other?.stop());
  const me = (token: string, path = "", method: "get" | "delete" = "get") =>
    other.http[method](`/api/v1/users/me${path}`).set({ authorization: `Bearer ${token}` });

  test("Anna's first request creates her user with the e-mail and the name from Keycloak", async () => {
    const { body } = await me(await signIn("anna")).expect(200);
    expect(body).toMatchObject({ email: "anna@example.com", profile: { fullName: "Anna Meyer" } });
  });

  test("the token of a suspended user is refused, except for GET /users/me/identity", async () => {
    const token = await signIn("anna");
    const { body } = await me(token).expect(200);
    const path = `/api/v1/users/${body.id}`;
    await other.http.post(`${path}/suspend`).set(as("root")).send({ reason: "Sent spam" }).expect(200);
    const refused = await me(token, "/preferences").expect(403);
    expect(refused.body.message).toBe("Account is suspended");
    const identity = await me(token, "/identity").expect(200);
    expect(identity.body).toMatchObject({ status: "suspended", reason: "Sent spam" });
    await other.http.post(`${path}/activate`).set(as("root")).expect(200);
    await me(token).expect(200);
  });

  test("a token from before the deletion does not recreate the user, and a newer token does", async () => {
    const token = await signIn("ben");
    const { body } = await me(token).expect(200);
    await me(token, "", "delete").expect(200);
    await me(token).expect(404);
    const later = await waitFor(async () => {
      const answer = await me(await signIn("ben"));
      return answer.status === 200 && answer.body;
    });
    expect(later.id).not.toBe(body.id);
    await me(token).expect(200); // the old token is still valid, and its user exists again
  });
});
