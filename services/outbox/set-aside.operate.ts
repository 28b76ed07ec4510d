import { discardSetAside, listSetAside, retrySetAside, type Selection } from "./set-aside.store.ts";

/** The usage of the commands for records that are set aside, on the command line and in the REPL. */
export const OUTBOX_USAGE = "outbox list | retry ID…|all | discard ID…|all";

const COMMANDS: Record<string, (selection: Selection) => Promise<void>> = {
  async list() {
    const records = await listSetAside();
    if (records.length > 0) console.table(records);
    else console.log("No record is set aside");
  },
  retry: async (selection) => report("To be published again", selection, await retrySetAside(selection)),
  discard: async (selection) => report("Discarded", selection, await discardSetAside(selection)),
};

/** @throws Error that names the ids that are not set aside */
function report(what: string, selection: Selection, ids: number[]): void {
  console.log(`${what}: ${selection === "all" ? `${ids.length} records` : ids.join(", ") || "none"}`);
  const unknown = selection === "all" ? [] : selection.filter((id) => !ids.includes(id));
  if (unknown.length > 0) throw new Error(`Not set aside: ${unknown.join(", ")}`);
}

/**
 * Runs a command and prints the outcome.
 * @throws Error with the usage, or with the ids that are not set aside; DependencyUnavailable
 */
export async function operateOutbox([name = "", ...rest]: string[]): Promise<void> {
  const command = COMMANDS[name];
  const ids = rest.map(Number);
  const selection = rest.join() === "all" ? "all" : ids;
  const isValid =
    name === "list" || selection === "all" || (ids.length > 0 && ids.every(Number.isSafeInteger));
  if (!command || !isValid) throw new Error(`Usage: ${OUTBOX_USAGE}`);
  await command(selection);
}
