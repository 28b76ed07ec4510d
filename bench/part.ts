import type { Databases } from "./databases.ts";
import type { Load } from "./load.ts";
import type { Measurement } from "./statistics.ts";

/** Shared context of the parts of the benchmark. */
export type Bench = {
  databases: Databases;
  load: Load;
  /** A folder for temporary files; it is deleted after the run. */
  folder: string;
  /** Only check that everything works: the figures are not reliable. */
  quick: boolean;
};

/** One subject of the benchmark: it starts what it needs, measures, and stops it. */
export type Part = (bench: Bench) => Promise<Measurement[]>;

/** The number of connections for throughput. */
export const CONNECTIONS = 32;

/** The number and length of the rounds for throughput, per side. */
export const roundsOf = ({ quick }: Bench) => (quick ? { rounds: 3, seconds: 1 } : { rounds: 7, seconds: 4 });

/** The same for requests that take milliseconds: short rounds, because the machine's speed changes within seconds. */
export const shortRoundsOf = ({ quick }: Bench) => ({ rounds: quick ? 3 : 25, seconds: 1 });

/** The bare programs for comparison: one checks every token, the other remembers tokens as the service does. */
export const BARE: Record<string, Record<string, string>> = {
  "bare checks each token": {},
  "bare remembers tokens": { REMEMBER_TOKENS: "1" },
};
