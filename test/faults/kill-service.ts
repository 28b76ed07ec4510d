import { parseArgs } from "node:util";
import globalSetup from "../helpers/global-setup.ts";
import globalTeardown from "../helpers/global-teardown.ts";

/** `node test/faults/kill-service.ts --rounds 100`: kill -9 of the service under load; exits 1 where anything is lost or doubled. */

const { values } = parseArgs({ options: { rounds: { type: "string", default: "100" } } });

await globalSetup();
try {
  const { createDatabase } = await import("../helpers/database.ts");
  const { killRounds } = await import("./kill-rounds.ts");
  const database = await createDatabase();
  const summary = await killRounds(database, Number(values.rounds), console.log);
  console.log(
    Object.entries(summary)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
  await database.drop();
  if (summary.lost + summary.doubled > 0) process.exitCode = 1;
} finally {
  await globalTeardown();
}
