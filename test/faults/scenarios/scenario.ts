import type { Server } from "../servers.ts";
import type { Verdict } from "../verify.ts";
import type { World } from "../world.ts";

export type Scenario = {
  /** The number of rounds of this scenario for `npm run test:faults -- --rounds N`. */
  rounds(wanted: number): number;
  /** The longest allowed gap, in ms. Longer gaps are reported as late. */
  limit: number;
  /** The servers that it kills or freezes. */
  servers: Server[];
  /** @param users the number of users at the start, if the scenario creates them */
  play(world: World, rounds: number, users: number): Promise<Verdict>;
};
