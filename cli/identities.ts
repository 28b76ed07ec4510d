import { parseArgs } from "node:util";
import { call } from "../lib/contract/call.ts";
import { LACKS_EVENTS, type Report } from "../services/identities/identities.contract.ts";
import { asOperator } from "./operator.ts";

/**
 * `npm run identities -- check` compares all users with Keycloak and changes none; `sync` makes them as they are there
 * (contract 27).
 */

const USAGE = "Usage: identities check | sync [--dry-run] [--delete COUNT]";

const OPTIONS = { "dry-run": { type: "boolean", default: false }, delete: { type: "string" } } as const;

await asOperator("identities", async (broker, meta) => {
  const { dryRun, mayDelete } = readArguments(process.argv.slice(2));
  const report = await call(broker, "identities.sync", { dryRun, mayDelete }, { meta, timeout: 0 });
  for (const line of linesOf(report)) console.log(line);
});

/** @throws Error with the usage, or with the option that is unknown */
function readArguments(args: string[]): { dryRun: boolean; mayDelete?: number } {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const mayDelete = values.delete === undefined ? undefined : Number(values.delete);
  const [command, ...more] = positionals;
  const isCheck = command === "check" && args.length === 1;
  const isSync = command === "sync" && more.length === 0 && Number.isSafeInteger(mayDelete ?? 0);
  if (!isCheck && !isSync) throw new Error(USAGE);
  return { dryRun: isCheck || values["dry-run"], mayDelete };
}

function linesOf({ people, differences, counts, refused, lacksEvents, left }: Report): string[] {
  const shown = (numbers: object) =>
    Object.entries(numbers)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", ");
  const lines = differences.map(
    ({ kind, keycloakId, userId }) => `${kind}: ${keycloakId}${userId ? `, user ${userId}` : ""}`,
  );
  lines.push(`${people} people in Keycloak; differences: ${shown(counts)}`);
  if (refused > 0)
    lines.push(
      `${refused} users are gone, more than one sweep may delete: none of them is deleted without --delete ${refused}`,
    );
  if (lacksEvents) lines.push(LACKS_EVENTS);
  if (left) lines.push(`Left: ${shown(left)}`);
  return lines;
}
