import type { Databases } from "./databases.ts";
import type { Load } from "./load.ts";
import type { Measurement } from "./statistics.ts";

/** What the parts of the benchmark share. */
export type Bench = {
  databases: Databases;
  load: Load;
  /** A folder for whatever a part needs; it goes with the run. */
  folder: string;
  /** Just see that all of it works: the figures are worth little. */
  quick: boolean;
};

/** One subject of the benchmark: it starts what it needs, measures, and stops it. */
export type Part = (bench: Bench) => Promise<Measurement[]>;

/** How many connections throughput is measured with. */
export const CONNECTIONS = 32;

/** How often and how long throughput is measured on either side. */
export const roundsOf = ({ quick }: Bench) => (quick ? { rounds: 3, seconds: 1 } : { rounds: 7, seconds: 4 });

/** The same of requests that take milliseconds: in short turns, as the machine's speed changes within seconds. */
export const shortRoundsOf = ({ quick }: Bench) => ({ rounds: quick ? 3 : 25, seconds: 1 });

/** The bare programs, as they are compared with: one that checks every token anew, one that remembers it as we do. */
export const BARE: Record<string, Record<string, string>> = {
  "bare checks each token": {},
  "bare remembers tokens": { REMEMBER_TOKENS: "1" },
};
