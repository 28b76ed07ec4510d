import { config } from "../../lib/config/config.ts";
import { UserNotFound } from "../../lib/contract/errors.ts";
import { findAnyUser } from "../../models/user-row.ts";
import type { Inventory } from "./users.contract.ts";
import { personalFields, presentErasure } from "./users.erasure.rules.ts";
import { findErasure } from "./users.erasure.store.ts";
import { findHold } from "./users.holds.ts";
import { countTraces } from "./users.traces.ts";

/**
 * What is stored of a user.
 * @throws UserNotFound, DependencyUnavailable
 */
export async function takeInventory(id: string): Promise<Inventory> {
  const user = await findAnyUser(id);
  if (!user) throw new UserNotFound("ID", id);
  const erasure = await findErasure(id);
  return {
    erasure: erasure ? presentErasure(erasure, config.erasureParties, new Date()) : null,
    hold: await findHold(id),
    fields: personalFields(user),
    ...(await countTraces(user)),
  };
}
