import { setTimeout as sleep } from "node:timers/promises";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { type Account, type Ledger, openAccount } from "./ledger.ts";

/** The address of a gateway, and the faults that its clients may see. */
export type Door = {
  url(): string;
  /** Whether it may currently answer with 503, or cut off requests. */
  mayRefuse(): boolean;
  mayBreak(): boolean;
};

const WRITERS = 4; // per door
const PAUSE = 20; // ms, between a writer's requests
const WRITES_A_USER = 40;
const ANSWER_WITHIN = 10_000; // ms

/** Sends writes to every door and records them in the ledger, until it is stopped. */
export function startWriters(ledger: Ledger, doors: Door[]): { stop(): Promise<void> } {
  let stopped = false;
  const write = async (door: Door) => {
    let account: Account | undefined;
    while (!stopped) {
      if (!account || account.updatesTried + account.increments >= WRITES_A_USER)
        account = await createUser(ledger, door);
      else if (Math.random() < 0.3) await increment(ledger, door, account);
      else await update(ledger, door, account);
      await sleep(PAUSE);
    }
  };
  const writers = doors.flatMap((door) => Array.from({ length: WRITERS }, () => write(door)));
  return {
    async stop() {
      stopped = true;
      await Promise.all(writers);
    },
  };
}

let people = 0;

/** Creates a user with unique names. Returns undefined if the answer was not 201. */
export async function createUser(ledger: Ledger, door: Door): Promise<Account | undefined> {
  const name = `f${process.pid}-${++people}`;
  const body = { keycloakId: name, email: `${name}@example.com`, profile: { fullName: "Ada", bio: "0" } };
  const answer = await ask(ledger, door, "POST", "", body);
  return answer && openAccount(ledger, answer.id);
}

async function update(ledger: Ledger, door: Door, account: Account): Promise<void> {
  const number = ++account.updatesTried;
  const answer = await ask(ledger, door, "PATCH", `/${account.id}`, { profile: { bio: String(number) } });
  if (answer) account.updates.push(number);
}

async function increment(ledger: Ledger, door: Door, account: Account): Promise<void> {
  const answer = await ask(ledger, door, "POST", `/${account.id}/stats/increment-interviews`);
  if (answer) account.increments++;
  else account.incrementsUnknown++;
}

/** One request. Returns the body of a 2xx. Any other answer is reported, unless the door allows it. */
async function ask(
  ledger: Ledger,
  door: Door,
  method: string,
  path: string,
  body: object = {},
): Promise<{ id: string } | undefined> {
  const url = `${door.url()}/api/v1/users${path}`;
  const [mayRefuse, mayBreak] = [door.mayRefuse(), door.mayBreak()];
  const start = Date.now();
  const wrong = (what: string) =>
    ledger.wrong.push(`${method} ${url}, after ${Date.now() - start} ms, ${ledger.fault}: ${what}`);
  try {
    const answer = await fetch(url, {
      method,
      headers: { "content-type": "application/json", "x-internal-token": INTERNAL_TOKEN },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    const text = await answer.text();
    if (answer.ok) {
      ledger.writes++;
      return JSON.parse(text);
    }
    if (answer.status === 503) ledger.refused++;
    if (answer.status !== 503 || !(mayRefuse || door.mayRefuse())) wrong(`${answer.status} ${text}`);
  } catch (error) {
    const { name, cause } = error as Error;
    ledger.cutOff++;
    if (name === "TimeoutError") wrong(`no answer within ${ANSWER_WITHIN} ms`);
    else if (!(mayBreak || door.mayBreak())) wrong(String(cause ?? error));
  } finally {
    ledger.slowest = Math.max(ledger.slowest, Date.now() - start);
  }
  return undefined;
}
