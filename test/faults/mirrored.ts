import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Envelope } from "../../services/contracts.ts";
import { freePort } from "../helpers/free-port.ts";
import { administer } from "../helpers/keycloak.ts";
import type { Realm } from "./realm.ts";
import { firstOnes, type Verdict } from "./verify.ts";
import type { World } from "./world.ts";

/** Runs `npm run identities`; returns its output, also if it failed. */
export async function identitiesCommand(env: Record<string, string>, ...args: string[]): Promise<string> {
  const whole = { ...process.env, ...env, LOG_LEVEL: "fatal", METRICS_PORT: String(await freePort()) };
  const ran = promisify(execFile)(process.execPath, ["cli/run.js", "identities", ...args], { env: whole });
  const { stdout, stderr } = await ran.catch((failed: { stdout: string; stderr: string }) => failed);
  return (stdout + stderr).trim();
}

const NONE = "differences: missing 0, gone 0, name 0, email 0, status 0";
/** In ms: a change that takes longer counts as lost. */
const EVENTUALLY = 240_000;

/** Waits until no user differs from Keycloak. @returns the output of the last check, unless there is no difference */
export async function inStep(env: Record<string, string>, within = EVENTUALLY): Promise<string | undefined> {
  for (const end = Date.now() + within; ; await sleep(500)) {
    const printed = await identitiesCommand(env, "check");
    if (printed.endsWith(NONE)) return undefined;
    if (Date.now() > end) return printed;
  }
}

/** Compares user-events with the changes in Keycloak: each change has one event, whose cause is Keycloak's event. */
export async function verifyMirrored({ topics, sql }: World, { expected }: Realm): Promise<Verdict> {
  const verdict: Verdict = { events: 0, lost: 0, doubled: 0, disordered: 0, details: [] };
  const users = await sql<{ id: string; keycloakId: string }>(
    'SELECT id, keycloak_id AS "keycloakId" FROM users',
  );
  const keycloakIds = new Map(users.map(({ id, keycloakId }) => [id, keycloakId]));
  const events = firstOnes(await topics.read("user-events"));
  verdict.events = events.length;
  const ofPerson = Map.groupBy(events, ({ userId }) => keycloakIds.get(userId) ?? userId);
  const causes = await savedCauses();
  for (const id of new Set([...expected.keys(), ...ofPerson.keys()])) {
    const wanted = expected.get(id) ?? [];
    const found = ofPerson.get(id) ?? [];
    const fault = compare(
      wanted.map(({ line }) => line),
      found.map(lineOf),
    );
    const note = (kind: "lost" | "doubled" | "disordered", what: string) => {
      verdict[kind]++;
      verdict.details.push(`${kind}: ${id}: ${what}`);
    };
    if (fault) note(fault, `${found.map(lineOf)} instead of ${wanted.map(({ line }) => line)}`);
    else
      for (const [index, { line, isSaved }] of wanted.entries())
        if (isSaved && !causes.get(id)?.has(found[index]?.metadata.causationId ?? ""))
          note("lost", `the cause of ${line}`);
  }
  return verdict;
}

const lineOf = ({ eventType, data }: Envelope): string =>
  "changes" in data ? `${eventType} ${JSON.stringify(data.changes)}` : eventType;

function compare(wanted: string[], found: string[]): "lost" | "doubled" | "disordered" | undefined {
  if (wanted.join() === found.join()) return undefined;
  if (found.length > wanted.length) return "doubled";
  return found.length < wanted.length || wanted.some((line) => !found.includes(line)) ? "lost" : "disordered";
}

/** The ids of the events that Keycloak saved about each person. */
async function savedCauses(): Promise<Map<string, Set<string>>> {
  type Saved = { id: string; resourcePath: string };
  const saved = await administer<Saved[]>("GET", "admin-events?resourceTypes=USER&max=1000000");
  const byPerson = Map.groupBy(saved, ({ resourcePath }) => resourcePath.replace("users/", ""));
  return new Map([...byPerson].map(([id, events]) => [id, new Set(events.map((event) => event.id))]));
}
