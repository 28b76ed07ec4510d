import { once } from "node:events";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { progress } from "../cli/progress.ts";
import type { Database } from "./databases.ts";
import { createTopics, kafkaEnv, listen, onKafka } from "./kafka.ts";
import type { Bench } from "./part.ts";
import { cpuSeconds, launchService, type Server, startService } from "./servers.ts";
import { type Measurement, quantile } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

/** From the outbox to Kafka: the latency of an event, and the rate at which a backlog is published. */
export const relay = onKafka("relay", async (bench, brokers) => {
  await createTopics(brokers, [TOPIC], 3);
  return [...(await latency(bench, brokers)), ...(await backlog(bench, brokers))];
});

const TOPIC = "user-events";
const RATE = 500; // per second

/**
 * A steady rate of sign-ups. An event's timestamp is taken before its row is sent to PostgreSQL, so the latency
 * includes the commit, which is mostly a disk write.
 */
async function latency({ databases, quick }: Bench, brokers: string[]): Promise<Measurement[]> {
  const database = await databases.create("relay_latency");
  const service = await startService({
    ...database.env,
    ...kafkaEnv(brokers, "api,users,stats,avatars,outbox"),
  });
  let times: number[] = [];
  const consumer = await listen(brokers, TOPIC, (value) => {
    const { timestamp }: { timestamp: string } = JSON.parse(value.toString());
    times.push(performance.timeOrigin + performance.now() - Date.parse(timestamp));
  });
  const [p50, p99]: number[][] = [[], []];
  for (let round = 0; round <= (quick ? 1 : 5); round++) {
    progress(`relay: ${RATE} sign-ups a second, ${round === 0 ? "warm-up" : `round ${round}`}`);
    times = [];
    await signUp(service.url, RATE * (quick ? 2 : 10));
    while (times.length < RATE * (quick ? 2 : 10)) await sleep(50);
    if (round === 0) continue;
    p50?.push(quantile(times, 0.5));
    p99?.push(quantile(times, 0.99));
  }
  await consumer.close();
  await service.stop();
  const name = `From a sign-up to its event on Kafka, ${RATE}/s`;
  return [
    { name: `${name}, p50`, unit: "ms", ours: p50 ?? [], target: { atMost: 10 } },
    { name: `${name}, p99`, unit: "ms", ours: p99 ?? [], target: { atMost: 50 } },
  ];
}

/** Sends requests on schedule, whether earlier ones are answered or not. */
async function signUp(url: string, amount: number): Promise<void> {
  const headers = { ...(await adminBearer()), "content-type": "application/json" };
  const agent = new http.Agent({ keepAlive: true });
  const start = performance.now();
  const answers: Promise<void>[] = [];
  while (answers.length < amount) {
    const due = Math.min(amount, ((performance.now() - start) / 1000) * RATE);
    while (answers.length < due) answers.push(post(`${url}/api/v1/users`, headers, agent));
    await sleep(1);
  }
  await Promise.all(answers);
  agent.destroy();
}

async function post(url: string, headers: Record<string, string>, agent: http.Agent): Promise<void> {
  const keycloakId = crypto.randomUUID();
  const user = { keycloakId, email: `${keycloakId}@example.com`, profile: { fullName: "Anna Example" } };
  const request = http.request(url, { method: "POST", headers, agent }).end(JSON.stringify(user));
  const [answer]: http.IncomingMessage[] = await once(request, "response");
  answer?.resume();
  if (answer?.statusCode !== 201) throw new Error(`A sign-up was answered with ${answer?.statusCode}`);
}

const BUSY = ["bench/busy-listener.service.ts"];

/** The rate in events per second, and the CPU time of the nodes in µs per event. */
type Round = { rate: number; cpu: number };

/**
 * A backlog that commits at once, until Kafka has all of it and the outbox is empty: published by one node and by two.
 * Two help if the nodes are the limit, so that is compared too: with a listener that needs CPU time.
 */
async function backlog({ databases, quick }: Bench, brokers: string[]): Promise<Measurement[]> {
  const count = quick ? 10_000 : 100_000;
  const database = await databases.create("relay_backlog");
  let heard = 0;
  const consumer = await listen(brokers, TOPIC, () => {
    heard++;
  });
  const publish = async (count: number, nodes: number, listeners: string[] = []): Promise<Round> => {
    const services = await startRelays(database, brokers, nodes, listeners);
    const before = services.map(cpuSeconds);
    heard = 0;
    await fillOutbox(database, count);
    const start = performance.now();
    while (heard < count || (await database.sql("SELECT FROM outbox LIMIT 1", [])).length > 0)
      await sleep(20);
    const ms = performance.now() - start;
    const cpu = services.reduce((sum, service, n) => sum + cpuSeconds(service) - (before[n] ?? 0), 0);
    await Promise.all(services.map((service) => service.stop()));
    return { rate: (1000 * count) / ms, cpu: (1e6 * cpu) / count };
  };
  const one: Round[] = [];
  const two: Round[] = [];
  const busyOne: Round[] = [];
  const busyTwo: Round[] = [];
  for (let round = 1; round <= (quick ? 1 : 3); round++) {
    progress(`relay: ${count} events in the outbox, round ${round}`);
    one.push(await publish(count, 1));
    two.push(await publish(count, 2));
    busyOne.push(await publish(count / 20, 1, BUSY));
    busyTwo.push(await publish(count / 20, 2, BUSY));
  }
  await consumer.close();
  const name = `${count.toLocaleString("en")} events from the outbox to Kafka`;
  const rates = (rounds: Round[]) => rounds.map(({ rate }) => rate);
  const times = (rounds: Round[]) => rounds.map(({ cpu }) => cpu);
  return [
    { name, unit: "events/s", ours: rates(one), target: { atLeast: 10_000 } },
    { name: `${name}, two nodes against one`, unit: "events/s", ours: rates(two), reference: rates(one) },
    {
      name: "The same with a busy listener in each node, two against one",
      unit: "events/s",
      ours: rates(busyTwo),
      reference: rates(busyOne),
      target: { atLeast: 1.7 },
    },
    { name: `${name}, CPU time of one node`, unit: "µs per event", ours: times(one) },
    { name: `${name}, CPU time of two nodes`, unit: "µs per event", ours: times(two) },
  ];
}

/**
 * Starts nodes with the service `outbox` only, and waits until they share all shards. With listeners they run all
 * services, because Moleculer ignores further files if SERVICES is set.
 */
async function startRelays(
  database: Database,
  brokers: string[],
  nodes: number,
  listeners: string[] = [],
): Promise<Server[]> {
  const env = { ...database.env, ...kafkaEnv(brokers, listeners.length > 0 ? "" : "outbox") };
  const names = Array.from({ length: nodes }, (_, n) => `bench-${n}`);
  const services = await Promise.all(
    names.map((NODEID) => launchService({ ...env, NODEID }, { services: listeners })),
  );
  for (let shares: unknown[] = []; shares.length < nodes; await sleep(100))
    shares = await database.sql(
      `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 'outbox'::regclass AND objid < 32
       GROUP BY pid HAVING count(*) = 32 / $1::int`,
      [nodes],
    );
  return services;
}

/** Events of 1,000 users, as sign-ups create them. */
const fillOutbox = ({ sql }: Database, count: number): Promise<unknown> =>
  sql(
    `WITH users AS (SELECT n, gen_random_uuid() AS id FROM generate_series(0, 999) AS n)
     INSERT INTO outbox (topic, key, value)
     SELECT $2, id, json_build_object(
       'eventId', gen_random_uuid(), 'eventType', 'user.created', 'timestamp', '2025-10-06T10:00:00.000Z', 'userId', id,
       'data', json_build_object(
         'keycloakId', id, 'email', id || '@example.com', 'fullName', 'Anna Example', 'createdAt', '2025-10-06T10:00:00.000Z'
       ),
       'metadata', json_build_object(
         'service', 'user-service', 'version', '1.0.0', 'correlationId', replace(gen_random_uuid()::text, '-', '')
       )
     )
     FROM generate_series(1, $1) AS event (at) JOIN users ON n = at % 1000`,
    [count, TOPIC],
  );
