import { uploadOf } from "../helpers/form.ts";
import { jpeg, jpegSegment, withSegments } from "../helpers/images.ts";
import { type Answered, type Asked, requestAs } from "../helpers/request.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";
import { ADMIN } from "./admin.ts";
import type { FaultNode } from "./nodes.ts";
import { newText } from "./search.ts";
import type { World } from "./world.ts";

/** People with five random texts each, in every place that can contain personal data. */

export type Made = { id: string; texts: string[] };

/** The tables that contain texts of every person. */
export const TABLES = [
  "users",
  "user_history",
  "outbox",
  "dead_letters",
  "idempotent_answers",
  "erasures",
  "legal_holds",
  "identities",
  "identity_hints",
];

const AT_ONCE = 8;
const USERS = "/api/v1/users";

/** Creates people. Resolves when the events of other services about them were consumed. */
export async function makePeople(world: World, node: FaultNode, count: number): Promise<Made[]> {
  const portrait = await jpeg();
  const people: Made[] = [];
  let begun = 0;
  const make = async () => {
    while (begun++ < count) people.push(await makePerson(world, node.url, portrait));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, make));
  await waitFor(async () => {
    const [letters] = await world.sql<{ n: number }>("SELECT count(*)::int AS n FROM dead_letters");
    return letters?.n === world.ledger.poison;
  }, 120_000);
  return people;
}

async function makePerson(world: World, url: string, portrait: Buffer): Promise<Made> {
  const { sql, ledger } = world;
  const texts = Array.from({ length: 5 }, newText);
  const [keycloakId = "", name = "", formerName = "", fullName = "", story = ""] = texts;
  const [email, formerEmail] = [`${name}@example.com`, `${formerName}@example.com`];
  const all = texts.join(" ");

  async function ask(status: number, asked: Asked, headers: object = ADMIN): Promise<Answered> {
    const answer = await requestAs(url, headers, asked);
    if (answer.status !== status)
      throw new Error(`${asked.method} ${asked.path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    ledger.writes++;
    return answer;
  }
  const profile = { fullName, companyName: story, phone: formerName, bio: story };
  const signUp = (status: number, given: { keycloakId: string; email: string }) =>
    ask(status, {
      method: "POST",
      path: USERS,
      headers: { "idempotency-key": newText() },
      body: { ...given, profile },
    });
  const { id } = (await signUp(201, { keycloakId, email: formerEmail })).body;
  const send = (status: number, method: string, rest: string, body?: object) =>
    ask(status, { method, path: `${USERS}/${id}${rest}`, body });

  // a record that Kafka refused: later records of this user wait behind it
  const refused = JSON.stringify({ eventType: "user.updated", userId: id, data: { changes: { bio: all } } });
  await sql(
    "INSERT INTO outbox (topic, key, value, set_aside_at, fault) VALUES ('user-events', $1, $2, now(), 'X')",
    [id, refused],
  );
  await signUp(409, { keycloakId: newText(), email: formerEmail.toUpperCase() });
  await send(200, "PUT", "/email", { email });
  await signUp(409, { keycloakId: newText(), email: email.toUpperCase() });
  await signUp(409, { keycloakId, email: `${newText()}@example.com` });
  await send(200, "PATCH", "", { profile: { bio: all } });
  await send(200, "PATCH", "/preferences", { language: story });
  await send(200, "POST", "/suspend", { reason: all });
  await sql("INSERT INTO identities (user_id, seen) VALUES ($1, $2)", [id, JSON.stringify({ fullName })]);
  await sql("INSERT INTO identity_hints (key, keycloak_id) VALUES ($1, $2)", [id, keycloakId]);
  await send(200, "PUT", "/hold", { reason: all });
  await send(200, "DELETE", "/hold", { reason: all });
  await send(202, "POST", "/erasure", { reason: all });
  await send(200, "DELETE", "/erasure");
  const metadata = [jpegSegment(0xe1, `Exif\0\0${all}`), jpegSegment(0xfe, all)];
  await ask(200, uploadOf(id, withSegments(portrait, ...metadata), `${story}.jpg`));
  const path = `${USERS}/${id}/stats/increment-interviews`;
  await ask(200, { method: "POST", path }, { "x-internal-token": INTERNAL_TOKEN });
  for (const query of [`/by-email/${email}`, `?search=${fullName}`, `?companyName=${story}`])
    await ask(200, { path: USERS + query });
  await ask(400, { method: "PATCH", path: `${USERS}/${id}`, body: { profile: { fullName: all.repeat(2) } } });
  await sendEvents(world, id, all);
  return { id, texts };
}

/** Events of other services: one is counted, and two with an invalid size become dead letters, in either envelope. */
async function sendEvents({ topics, ledger }: World, userId: string, all: string): Promise<void> {
  const data = { fileId: crypto.randomUUID(), fileSize: 1_000 };
  const invalid = { fileId: all, fileSize: -1 };
  const eventType = "media.uploaded";
  const messages = [
    { eventId: crypto.randomUUID(), eventType, userId, data },
    { eventId: crypto.randomUUID(), eventType, userId: userId.toUpperCase(), data: invalid },
    { eventId: crypto.randomUUID(), eventType, timestamp: Date.now(), payload: { userId, ...invalid } },
  ];
  await topics.send(
    "media-events",
    messages.map((message) => ({ key: userId, value: JSON.stringify(message) })),
  );
  ledger.events++;
  ledger.poison += 2;
}
