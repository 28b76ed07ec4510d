import {
  discardDeadLetters,
  listDeadLetters,
  replayDeadLetters,
  showDeadLetter,
} from "./dead-letter.store.ts";

/** The usage of the dead-letter commands, on the command line and in the REPL. */
export const DLQ_USAGE = "dlq list | show ID | replay ID… | discard ID…";

const VERBS: Record<string, (ids: number[]) => Promise<void>> = {
  async list() {
    const letters = await listDeadLetters();
    if (letters.length > 0) console.table(letters);
    else console.log("There is no dead letter");
  },
  async show([id = 0]) {
    const letter = await showDeadLetter(id);
    if (letter) console.log(letter);
    else refuseUnknown([id]);
  },
  replay: async (ids) => printOutcome("to be retried", ids, await replayDeadLetters(ids)),
  discard: async (ids) => printOutcome("discarded", ids, await discardDeadLetters(ids)),
};

function printOutcome(what: string, ids: number[], done: number[]): void {
  if (done.length > 0) console.log(`${what}: ${done.join(", ")}`);
  refuseUnknown(ids.filter((id) => !done.includes(id)));
}

/** @throws Error if there are any */
function refuseUnknown(ids: number[]): void {
  if (ids.length > 0) throw new Error(`There is no dead letter ${ids.join(", ")}`);
}

/**
 * Runs a dead-letter command and prints the outcome.
 * @throws Error with the usage, or with the ids that do not exist; DependencyUnavailable
 */
export async function operateDeadLetters([name = "", ...rest]: string[]): Promise<void> {
  const verb = VERBS[name];
  const ids = rest.map(Number);
  const areIds = ids.every((id) => Number.isSafeInteger(id)) && (name === "list" || ids.length > 0);
  if (!verb || !areIds) throw new Error(`Usage: ${DLQ_USAGE}`);
  await verb(ids);
}
