import type { Message } from "kafkajs";
import type { Envelope } from "../../services/contracts.ts";
import type { Account } from "./ledger.ts";
import type { World } from "./world.ts";

/** The result of the comparison with the ledger. `details` names the first faults. */
export type Verdict = {
  /** Events on user-events without duplicates, and counted events of other services. */
  events: number;
  lost: number;
  doubled: number;
  disordered: number;
  details: string[];
};

type Row = {
  id: string;
  bio: string | null;
  created: number;
  active: number;
  candidates: number;
  bytes: number;
};
type Fault = "lost" | "doubled" | "disordered";
type Note = (fault: Fault, detail: string) => void;

const ROWS = `SELECT id, bio, interviews_created AS created, interviews_active AS active,
  candidates_total AS candidates, storage_used::float8 AS bytes FROM users`;
const DETAILS = 20;

/** Compares the ledger with the database and with user-events, read from the start. */
export async function verify({ ledger, topics, sql }: World): Promise<Verdict> {
  const verdict: Verdict = { events: 0, lost: 0, doubled: 0, disordered: 0, details: [] };
  const note: Note = (fault, detail) => {
    verdict[fault]++;
    if (verdict.details.length < DETAILS) verdict.details.push(`${fault}: ${detail}`);
  };

  const rows = new Map((await sql<Row>(ROWS)).map((row) => [row.id, row]));
  const events = Map.groupBy(firstOnes(await topics.read("user-events")), ({ userId }) => userId);
  for (const row of rows.values()) checkStory(row, events.get(row.id) ?? [], note);
  for (const id of events.keys()) if (!rows.has(id)) note("doubled", `events of ${id}, who is not a user`);
  for (const account of ledger.accounts) {
    const row = rows.get(account.id);
    if (!row) {
      note("lost", `user ${account.id}`);
      continue;
    }
    checkUpdates(account, events.get(account.id) ?? [], note);
    checkCounters(account, row, note);
  }

  const [counted] = await sql<{ n: number }>("SELECT count(*)::int AS n FROM processed_events");
  const [dead] = await sql<{ n: number }>("SELECT count(*)::int AS n FROM dead_letters");
  if (counted?.n !== ledger.events) note("lost", `${ledger.events} were sent, ${counted?.n} counted`);
  if (dead?.n !== ledger.poison)
    note("lost", `${dead?.n} dead letters of ${ledger.poison} poisoned messages`);
  verdict.events = [...events.values()].flat().length + (counted?.n ?? 0);
  return verdict;
}

/** The events in order without duplicates, which have the same eventId (contract 7). */
export function firstOnes(messages: Message[]): Envelope[] {
  const byId = new Map<string, Envelope>();
  for (const { value } of messages) {
    const event: Envelope = JSON.parse(String(value));
    if (!byId.has(event.eventId)) byId.set(event.eventId, event);
  }
  return [...byId.values()];
}

export const ofType = <Type extends Envelope["eventType"]>(events: Envelope[], type: Type) =>
  events.filter((event): event is Envelope<Type> => event.eventType === type);

/** The updates' numbers, in the order of their events. */
const numbersOf = (events: Envelope[]): number[] =>
  ofType(events, "user.updated").map(({ data }) => Number(data.changes.bio));

/** Checks for any row, also one whose requests got no answer, that the row and its events agree. */
function checkStory(row: Row, events: Envelope[], note: Note): void {
  const created = ofType(events, "user.created").length;
  if (created === 0) note("lost", `user.created of ${row.id}`);
  if (created > 1) note("doubled", `user.created of ${row.id}`);
  if (created === 1 && events[0]?.eventType !== "user.created")
    note("disordered", `${events[0]?.eventType} of ${row.id} comes before user.created`);

  const numbers = numbersOf(events);
  for (const number of new Set(numbers))
    if (numbers.filter((other) => other === number).length > 1)
      note("doubled", `update ${number} of ${row.id}`);
  const last = numbers.at(-1) ?? 0;
  if (Number(row.bio) !== last)
    note("disordered", `the last event of ${row.id} has update ${last}, its row has ${row.bio}`);

  const exceeded = ofType(events, "user.quota_exceeded").length;
  if (row.created >= 10 && exceeded === 0) note("lost", `user.quota_exceeded of ${row.id}`);
  if (exceeded > 1) note("doubled", `user.quota_exceeded of ${row.id}`);
}

/** Checks that updates that were answered with 2xx have events, in the order of the answers. */
function checkUpdates({ id, updates }: Account, events: Envelope[], note: Note): void {
  const numbers = numbersOf(events);
  for (const number of updates) if (!numbers.includes(number)) note("lost", `update ${number} of ${id}`);
  const answered = numbers.filter((number) => updates.includes(number));
  if (answered.some((number, index) => number < (answered[index - 1] ?? 0)))
    note("disordered", `updates of ${id}: ${answered}`);
}

/** Checks that each event of another service and each increment was counted once. Increments without an answer may count. */
function checkCounters({ id, sums, increments, incrementsUnknown }: Account, row: Row, note: Note): void {
  for (const counter of ["created", "active", "candidates", "bytes"] as const) {
    const incremented = counter === "created" || counter === "active";
    const least = sums[counter] + (incremented ? increments : 0);
    const most = least + (incremented ? incrementsUnknown : 0);
    const detail = `${counter} of ${id} is ${row[counter]}, not ${least} to ${most}`;
    if (row[counter] < least) note("lost", detail);
    if (row[counter] > most) note("doubled", detail);
  }
}
