import {
  discardDeadLetters,
  listDeadLetters,
  replayDeadLetters,
  showDeadLetter,
} from "./dead-letter.store.ts";

/** What an operator says of dead letters, on the command line and in the REPL. */
export const DLQ_USAGE = "dlq list | show ID | replay ID… | discard ID…";

const VERBS: Record<string, (ids: number[]) => Promise<void>> = {
  list: async () => console.table(await listDeadLetters()),
  show: async ([id = 0]) => console.log((await showDeadLetter(id)) ?? `There is no dead letter ${id}`),
  replay: async (ids) => console.log("replayed:", (await replayDeadLetters(ids)).join(", ") || "none"),
  discard: async (ids) => console.log("discarded:", (await discardDeadLetters(ids)).join(", ") || "none"),
};

/**
 * Does what the words say, and prints the outcome.
 * @throws Error with the usage; DependencyUnavailable
 */
export async function operateDeadLetters([name = "", ...rest]: string[]): Promise<void> {
  const verb = VERBS[name];
  const ids = rest.map(Number);
  const areIds = ids.every((id) => Number.isSafeInteger(id)) && (name === "list" || ids.length > 0);
  if (!verb || !areIds) throw new Error(`Usage: ${DLQ_USAGE}`);
  await verb(ids);
}
