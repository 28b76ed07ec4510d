import type { Server } from "../servers.ts";
import type { Verdict } from "../verify.ts";
import type { World } from "../world.ts";

export type Scenario = {
  /** How many rounds it plays where `npm run test:faults -- --rounds N` asks for N. */
  rounds(wanted: number): number;
  /** What a gap in the ledger may be at most, in ms: past it, it is late. */
  limit: number;
  /** The servers that it kills or freezes. */
  servers: Server[];
  /** @param users how many there are at first, where the scenario makes them */
  play(world: World, rounds: number, users: number): Promise<Verdict>;
};
