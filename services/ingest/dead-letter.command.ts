import { closeDatabase, connectDatabase } from "../node/database.ts";
import {
  discardDeadLetters,
  listDeadLetters,
  replayDeadLetters,
  showDeadLetter,
} from "./dead-letter.store.ts";

/** `npm run dlq -- list | show ID | replay ID… | discard ID…` */

const USAGE = "npm run dlq -- list | show ID | replay ID… | discard ID…";

const COMMANDS: Record<string, (ids: number[]) => Promise<void>> = {
  list: async () => console.table(await listDeadLetters()),
  show: async ([id = 0]) => console.log((await showDeadLetter(id)) ?? `There is no dead letter ${id}`),
  replay: async (ids) => console.log("replayed:", (await replayDeadLetters(ids)).join(", ") || "none"),
  discard: async (ids) => console.log("discarded:", (await discardDeadLetters(ids)).join(", ") || "none"),
};

const [name = "", ...rest] = process.argv.slice(2);
const ids = rest.map(Number);
const command = COMMANDS[name];
if (!command || ids.some((id) => !Number.isSafeInteger(id)) || (name !== "list" && ids.length === 0)) {
  console.error(USAGE);
  process.exitCode = 2;
} else
  try {
    await connectDatabase();
    await command(ids);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  } finally {
    await closeDatabase();
  }
