import { parseArgs } from "node:util";
import { minio, uploads } from "./scenarios/avatars.ts";
import { brokers } from "./scenarios/brokers.ts";
import { erasure } from "./scenarios/erasure.ts";
import { identities } from "./scenarios/identities.ts";
import { kills } from "./scenarios/kills.ts";
import { both, kafka, postgres } from "./scenarios/outages.ts";
import { poison } from "./scenarios/poison.ts";
import { rebalances } from "./scenarios/rebalances.ts";
import { rolling } from "./scenarios/rolling.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { stops } from "./scenarios/stops.ts";
import { upgrade } from "./scenarios/upgrade.ts";
import { versions } from "./scenarios/versions.ts";
import { demandServers } from "./servers.ts";
import { openWorld } from "./world.ts";

/**
 * `npm run test:faults -- --rounds N [--users N] [--only kills,kafka,…]`: the service under faults, over the Kafka, the
 * PostgreSQL and the MinIO of the environment. Exits with 1 if anything is lost, doubled, out of order or answered wrong.
 */

const SCENARIOS: Record<string, Scenario> = {
  kills,
  kafka,
  postgres,
  both,
  brokers,
  rebalances,
  poison,
  rolling,
  upgrade,
  stops,
  uploads,
  minio,
  versions,
  erasure,
  identities,
};

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    users: { type: "string", default: "1000" },
    only: { type: "string" },
  },
});

/** The figures of a scenario, and their names in the summary; `gap` is in ms. */
const FIGURES = {
  rounds: "rounds",
  writes: "writes",
  refused: "answered 503",
  cutOff: "cut off",
  events: "events",
  lost: "lost",
  doubled: "doubled",
  disordered: "out of order",
  wrong: "wrong answers",
  late: "late",
  gap: "longest gap",
};
type Figure = keyof typeof FIGURES;
type Figures = Record<Figure, number>;
/** Late answers are reported, but are not a failure, because times depend on the machine. */
const MUST_BE_0 = ["lost", "doubled", "disordered", "wrong"] as const;

function print(name: string, figures: Figures): void {
  const texts = Object.entries(FIGURES).map(([figure, label]) => {
    const value = figures[figure as Figure];
    return `${label} ${figure === "gap" ? `${(value / 1000).toFixed(1)} s` : value}`;
  });
  console.log(`${name}: ${texts.join(", ")}`);
}

function total(all: Figures[]): Figures {
  const sums = Object.keys(FIGURES).map((figure) => {
    const values = all.map((figures) => figures[figure as Figure]);
    return [figure, values.reduce((a, b) => (figure === "gap" ? Math.max(a, b) : a + b), 0)];
  });
  return Object.fromEntries(sums);
}

async function play(name: string): Promise<Figures> {
  const scenario = SCENARIOS[name];
  if (!scenario) throw new Error(`There is no scenario of this name (${Object.keys(SCENARIOS).join(", ")})`);
  for (const variable of ["DATABASE_HOST", "KAFKA_BROKERS", "MINIO_ENDPOINT"])
    if (!process.env[variable]) throw new Error(`${variable} is not set`);
  await demandServers(scenario.servers);
  const world = await openWorld();
  try {
    const rounds = scenario.rounds(Number(values.rounds));
    const { details, ...verdict } = await scenario.play(world, rounds, Number(values.users));
    const { writes, refused, cutOff, wrong, gaps } = world.ledger;
    const late = gaps.filter(({ ms }) => ms > scenario.limit);
    const slow = late.map(({ ms, what }) => `${ms} ms: ${what}`);
    for (const line of [...details, ...wrong.slice(0, 20), ...slow]) console.log(`  ${line}`);
    const gap = gaps.reduce((longest, { ms }) => Math.max(longest, ms), 0);
    return { ...verdict, rounds, writes, refused, cutOff, wrong: wrong.length, late: late.length, gap };
  } finally {
    await world.close();
  }
}

const hasCluster = process.env.KAFKA_BROKERS?.split(",").length === 3;
const needs: Record<string, boolean> = { brokers: hasCluster, identities: Boolean(process.env.AUTH_ISSUER) };
const possible = Object.keys(SCENARIOS).filter((name) => needs[name] ?? true);

const played: Figures[] = [];
for (const name of values.only?.split(",") ?? possible)
  try {
    const figures = await play(name);
    print(name, figures);
    played.push(figures);
  } catch (error) {
    console.log(`${name}: ${(error as Error).message}`);
    process.exitCode = 1;
  }
const sums = total(played);
print("total", sums);
if (MUST_BE_0.some((figure) => sums[figure] > 0)) process.exitCode = 1;
process.exit(); // a client may still wait for a server that is gone
