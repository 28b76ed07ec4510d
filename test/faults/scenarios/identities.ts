import { setTimeout as sleep } from "node:timers/promises";
import { FORMS } from "../../helpers/cluster.ts";
import { createAccount, MIRROR, signIn, startListener } from "../../helpers/keycloak.ts";
import { FAULTS, type KeycloakProxy, startKeycloakProxy } from "../keycloak-proxy.ts";
import { identitiesCommand, inStep, verifyMirrored } from "../mirrored.ts";
import { between, pick } from "../random.ts";
import {
  CHANGES_A_ROUND,
  changeRealm,
  fillRealm,
  type Realm,
  removePeople,
  withoutEvents,
} from "../realm.ts";
import type { World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

const issuer = process.env.AUTH_ISSUER ?? "";
const FIRST_REQUESTS = 200;
const KILLS_A_ROUND = 2;
/** In ms. A listener also publishes events that were saved in the second before its start. */
const LISTENER_OVERLAP = 1_500;
/** In ms. */
const LONGEST_LIFE = 3_000;
const FAULT_LASTS = 10_000;

type Play = {
  world: World;
  realm: Realm;
  proxy: KeycloakProxy;
  env: Record<string, string>;
  topics: { events: string; "admin-events": string };
};

/**
 * A realm is changed at random while nodes are killed, while all are down, and while the topics of its events are
 * silent: a minute later nothing may differ, and each change must have one event. Then Keycloak itself fails.
 * Gap: from the last change until nothing differs.
 */
export const identities: Scenario = {
  rounds: (wanted) => wanted,
  limit: 60_000,
  servers: [],

  async play(world, rounds, users) {
    if (!issuer) throw new Error("AUTH_ISSUER is not set");
    const proxy = await startKeycloakProxy(issuer);
    try {
      return await play(world, proxy, rounds, users);
    } finally {
      await proxy.stop();
    }
  },
};

async function play(world: World, proxy: KeycloakProxy, rounds: number, users: number) {
  const { pathname } = new URL(issuer);
  const topics = { events: `kc-${world.groupId}`, "admin-events": `kc-admin-${world.groupId}` };
  const env = {
    ...world.env,
    ...MIRROR,
    AUTH_ISSUER: issuer,
    AUTH_JWKS_URL: `${proxy.url}${pathname}/protocol/openid-connect/certs`,
    KEYCLOAK_EVENTS_TOPICS: Object.values(topics).join(),
    IDENTITY_SYNC_SECONDS: "30",
    USERS_AUTO_CREATE: "true",
  };
  const realm = await timed(`${users} users imported into Keycloak`, () => fillRealm(users));
  const about: Play = { world, realm, proxy, env, topics };
  for (const services of [FORMS["one node"], FORMS["one node"]]) await world.addNode(services.join(), env);
  await world.startAll();
  await timed("all of them are users", () => expectInStep(about));

  for (let round = 0; round < rounds; round++) {
    const way = WAYS[round % WAYS.length];
    if (way) await timed(`${CHANGES_A_ROUND} changes ${way.name}`, () => way.play(about));
  }
  const since = Date.now();
  await expectInStep(about);
  world.ledger.gaps.push({ ms: Date.now() - since, what: "from the last change until nothing differs" });
  say(`no difference ${Date.now() - since} ms after the last change`);

  await unseen(about);
  await firstRequests(about);
  await brokenKeycloak(about);
  await manyGone(about);
  return verifyMirrored(world, realm);
}

const say = (what: string) => console.log(`  ${what}`);

async function timed<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const start = Date.now();
  const result = await work();
  say(`${what}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return result;
}

async function expectInStep({ world, env }: Play): Promise<void> {
  const left = await inStep(env);
  if (left) world.ledger.wrong.push(`Users differ: ${left.slice(-1_000)}`);
  if (left) say(`users differ: ${lastLine(left)}`);
}

/** Changes while a listener publishes Keycloak's events. */
async function withListener({ realm, topics }: Play): Promise<void> {
  const listener = await startListener(topics);
  await changeRealm(realm);
  await sleep(LISTENER_OVERLAP);
  await listener.stop();
}

const WAYS: { name: string; play(about: Play): Promise<void> }[] = [
  {
    name: "while nodes are killed",
    async play(about) {
      const { nodes } = about.world;
      const changing = withListener(about);
      for (let kills = 0; kills < KILLS_A_ROUND; kills++) {
        await sleep(between(0, LONGEST_LIFE));
        const node = pick(nodes);
        await node.kill();
        await node.start();
        await node.ready();
      }
      await changing;
    },
  },
  {
    name: "while the service is down",
    async play(about) {
      await Promise.all(about.world.nodes.map((node) => node.stop()));
      await withListener(about);
      await about.world.startAll();
    },
  },
  {
    name: "while the topics are silent",
    async play({ realm }) {
      await changeRealm(realm);
      await sleep(LISTENER_OVERLAP);
    },
  },
];

/** Changes that Keycloak neither publishes nor saves: only a full sweep finds them. */
async function unseen(about: Play): Promise<void> {
  const { world, realm, env } = about;
  await withoutEvents(realm, () => changeRealm(realm));
  const found = lastLine(await identitiesCommand(env, "check"));
  const differences = found.replace(/^.*differences: /, "").match(/\d+/g) ?? [];
  const total = differences.reduce((sum, count) => sum + Number(count), 0);
  if (total !== CHANGES_A_ROUND)
    world.ledger.wrong.push(`${CHANGES_A_ROUND} changes without events: ${found}`);
  say(`${CHANGES_A_ROUND} changes without events, check: ${found}`);
  say(`sync: ${lastLine(await identitiesCommand(env, "sync"))}`);
  await expectInStep(about);
}

const lastLine = (printed: string) => printed.split("\n").at(-1) ?? "";

/** The first requests of a new person arrive at two nodes at the same time. */
async function firstRequests({ world, realm }: Play): Promise<void> {
  const { nodes, ledger, sql } = world;
  const name = `first-${crypto.randomUUID()}`;
  const id = await createAccount(name);
  const headers = { authorization: `Bearer ${await signIn(name, name)}` };
  const answers = await Promise.all(
    Array.from({ length: FIRST_REQUESTS }, async (_, index) => {
      const answer = await fetch(`${nodes[index % nodes.length]?.url}/api/v1/users/me`, { headers });
      return `${answer.status} ${((await answer.json()) as { id?: string }).id}`;
    }),
  );
  const rows = await sql<{ id: string }>("SELECT id FROM users WHERE keycloak_id = $1", [id]);
  realm.expected.set(id, [{ line: "user.created", isSaved: false }]);
  const isRight = (answer: string) => answer === `200 ${rows[0]?.id}`;
  if (rows.length !== 1 || !answers.every(isRight))
    ledger.wrong.push(`First requests: ${rows.length} rows, ${[...new Set(answers)]}`);
  say(`${FIRST_REQUESTS} first requests: ${[...new Set(answers)]}; ${rows.length} row`);
}

const deletedUsers = async ({ sql }: World): Promise<number> =>
  (await sql("SELECT FROM users WHERE deleted_at IS NOT NULL")).length;

/** No user is deleted by a sync or an event while Keycloak cannot confirm that the account is gone. */
async function brokenKeycloak(about: Play): Promise<void> {
  const { world, proxy, env, topics, realm } = about;
  const before = await deletedUsers(world);
  for (const fault of FAULTS) {
    proxy.fault = fault;
    const events = realm.active.slice(0, 3).map(({ id }) => ({
      ...{ id: crypto.randomUUID(), time: Date.now(), operationType: "DELETE" },
      ...{ resourceType: "USER", resourcePath: `users/${id}` },
    }));
    await world.topics.send(
      topics["admin-events"],
      events.map((event) => ({ value: JSON.stringify(event) })),
    );
    const printed = await identitiesCommand(env, "sync");
    await sleep(FAULT_LASTS);
    const deleted = (await deletedUsers(world)) - before;
    if (deleted > 0) world.ledger.wrong.push(`${deleted} users deleted while Keycloak is broken: ${fault}`);
    say(`Keycloak broken (${fault}): ${deleted} deleted, sync: ${lastLine(printed)}`);
  }
  proxy.fault = undefined;
  await expectInStep(about);
}

/** More accounts are gone than one sweep may delete. */
async function manyGone(about: Play): Promise<void> {
  const { world, env, realm } = about;
  const [all] = await world.sql<{ n: number }>(
    "SELECT count(*)::int AS n FROM users WHERE deleted_at IS NULL",
  );
  const gone = Math.max(10, Math.floor((all?.n ?? 0) / 100)) + 1;
  const before = await deletedUsers(world);
  await withoutEvents(realm, () => removePeople(realm, gone));
  const printed = await identitiesCommand(env, "sync");
  const deleted = (await deletedUsers(world)) - before;
  const refused = await refusedSweeps(world);
  if (deleted > 0 || refused === 0)
    world.ledger.wrong.push(`${gone} are gone: ${deleted} deleted, ${refused} sweeps refused`);
  say(`${gone} are gone: ${deleted} deleted, ${refused} sweeps refused; ${lastLine(printed)}`);
  say(`sync --delete ${gone}: ${lastLine(await identitiesCommand(env, "sync", "--delete", String(gone)))}`);
  await expectInStep(about);
}

async function refusedSweeps({ nodes }: World): Promise<number> {
  const counts = nodes.map(async ({ nodeUrl }) => {
    const text = await (await fetch(`${nodeUrl}/metrics`)).text();
    return Number(/^user_service_identity_sweep_refused_total(?:{.*})? (\d+)/m.exec(text)?.[1] ?? 0);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}
