import { Kafka, logLevel } from "kafkajs";
import { brokers } from "./neighbour.ts";

/** A real Keycloak, used by an administrator and by users. */

const issuer = process.env.AUTH_ISSUER ?? "";
const [, base, realm] = /^(.+)\/realms\/([^/]+)$/.exec(issuer) ?? [];

/** The environment of a node that mirrors this realm. */
export const MIRROR = {
  KEYCLOAK_ADMIN_CLIENT_ID: "user-service-mirror",
  KEYCLOAK_ADMIN_CLIENT_SECRET: "mirror-secret",
};

async function issue(of: string, form: Record<string, string>): Promise<string> {
  const body = new URLSearchParams({ grant_type: "password", ...form });
  const answer = await fetch(`${base}/realms/${of}/protocol/openid-connect/token`, { method: "POST", body });
  const { access_token } = (await answer.json()) as { access_token?: string };
  if (!access_token) throw new Error(`Keycloak gave no token: ${answer.status}`);
  return access_token;
}

/** The access token of a user; Keycloak saves the event LOGIN. */
export const signIn = (username: string, password: string): Promise<string> =>
  issue(realm ?? "", { client_id: "user-service", scope: "openid", username, password });

/** In ms. An administrator's token is valid for a minute. */
const RENEW_AFTER = 30_000;
let administrator = { token: Promise.resolve(""), issuedAt: 0 };

/** A request of an administrator; returns the body, or the id of the created object. */
export async function administer<Body>(method: string, path: string, body?: object): Promise<Body> {
  if (Date.now() > administrator.issuedAt + RENEW_AFTER) {
    const form = { client_id: "admin-cli", username: "admin", password: "admin" };
    administrator = { token: issue("master", form), issuedAt: Date.now() };
  }
  const token = await administrator.token;
  const answer = await fetch(`${base}/admin/realms/${realm}/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  const created = answer.headers.get("location")?.split("/").at(-1);
  const text = await answer.text();
  return (created ?? (text ? JSON.parse(text) : undefined)) as Body;
}

/** Creates an account with a password. Returns its id. */
export const createAccount = (username: string, more: object = {}): Promise<string> =>
  administer("POST", "users", {
    ...{
      username,
      email: `${username}@example.com`,
      emailVerified: true,
      firstName: "Ida",
      lastName: "Rhodes",
    },
    ...{ enabled: true, credentials: [{ type: "password", value: username, temporary: false }], ...more },
  });

type Event = { id: string; time: number };

/** The saved events since a time, oldest first. */
export async function savedEvents(kind: "events" | "admin-events", since: number): Promise<Event[]> {
  const events = await administer<Event[]>("GET", `${kind}?dateFrom=${since}&max=1000`);
  return events.sort((a, b) => a.time - b.time);
}

/** Publishes Keycloak's own events on Kafka, like a listener inside Keycloak. */
export async function startListener(topics: { events: string; "admin-events": string }) {
  const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  const since = Date.now() - 1_000;
  const published = new Set<string>();
  let isStopped = false;
  const run = async () => {
    while (!isStopped)
      for (const kind of ["events", "admin-events"] as const) {
        const fresh = (await savedEvents(kind, since)).filter(({ id }) => !published.has(id));
        const messages = fresh.map((event) => ({ value: JSON.stringify(event) }));
        if (messages.length > 0) await producer.send({ topic: topics[kind], messages });
        for (const { id } of fresh) published.add(id);
      }
  };
  const running = run();
  return {
    async stop() {
      isStopped = true;
      await running;
      await producer.disconnect();
    },
  };
}
