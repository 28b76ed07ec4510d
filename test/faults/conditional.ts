import { setTimeout as sleep } from "node:timers/promises";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { ADMIN } from "./admin.ts";
import type { Ledger } from "./ledger.ts";
import type { FaultNode } from "./nodes.ts";
import { pick } from "./random.ts";

/**
 * Writers that send If-Match, revert, repeat with a key, reserve, delete and restore; and the answers that they
 * received.
 */

const WRITERS = 16;
const USERS = 40;
/** Those of them who are deleted and restored. They get no increments, because the expected sum would be unknown. */
const LEAVERS = 10;
/** Users whose storage is used only by reservations, and their limit in bytes. */
const LIMITED = { users: 2, bytes: 25 };
const ANSWER_WITHIN = 10_000; // ms
/** How long a request without a final answer is repeated, in ms. */
const REPEAT_FOR = 120_000;

/** A conditional write that was answered with 200. `op` names the update of a biography. */
type Accepted = { userId: string; base: number; version: number; op?: string };

export type Books = {
  operations: number;
  accepted: Accepted[];
  conflicts: number;
  notModified: number;
  reverts: number;
  /** Users who were deleted and restored, and requests that were answered 404 meanwhile. */
  returns: number;
  missed: number;
  /** Conditional writes without an answer that says whether they were applied. */
  unknown: number;
  replays: number;
  /** Increments by key, and bytes that were committed, by user. */
  increments: Map<string, number>;
  committed: Map<string, number>;
  reservations: number;
  quotaExceeded: number;
};

type Seen = { version: number; op: string };
type Sent = { headers?: Record<string, string>; body?: object };
type Answer = { status: number; headers: Headers; body: Record<string, string> };

/** A biography names its own update, and the update that it was derived from. */
export const bioOf = (op: string, previous: string): string => `${op} after ${previous}`;
export const readBio = (bio: string): { op: string; previous: string } => {
  const [op = "", , previous = ""] = bio.split(" ");
  return { op, previous };
};

const versionOf = ({ headers }: Answer) => Number((headers.get("etag") ?? "").replaceAll('"', ""));
const add = (sums: Map<string, number>, id: string, n: number) => sums.set(id, (sums.get(id) ?? 0) + n);

/** Runs `total` operations, on nodes that may die at any time. Enters wrong answers into the ledger. */
export async function writeConditionally(
  ledger: Ledger,
  nodes: FaultNode[],
  total: number,
  books: Books,
): Promise<void> {
  const caller = { "x-internal-token": INTERNAL_TOKEN, ...ADMIN };

  /** Undefined if there was no answer, or 503: the request may have had its effect. */
  async function send(method: string, path: string, { headers = {}, body }: Sent = {}) {
    const up = nodes.filter((node) => node.isUp());
    const url = `${pick(up.length > 0 ? up : nodes).url}/api/v1/users${path}`;
    try {
      const answer = await fetch(url, {
        method,
        headers: { "content-type": "application/json", ...caller, ...headers },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_WITHIN),
      });
      const text = await answer.text();
      if (answer.ok && method !== "GET") ledger.writes++;
      if (answer.status !== 503)
        return { status: answer.status, headers: answer.headers, body: text ? JSON.parse(text) : {} };
      ledger.refused++;
    } catch {
      ledger.cutOff++;
      await sleep(50);
    }
    return undefined;
  }

  const wrong = (what: string, answer?: Answer) =>
    void ledger.wrong.push(`${what}: ${answer?.status} ${JSON.stringify(answer?.body)}`);

  /** Repeats the request until it has a final answer: one of `statuses`. */
  async function repeat(
    statuses: number[],
    method: string,
    path: string,
    sent?: Sent,
  ): Promise<Answer | undefined> {
    for (const end = Date.now() + REPEAT_FOR; Date.now() < end; await sleep(20)) {
      const answer: Answer | undefined = await send(method, path, sent);
      if (!answer || answer.headers.get("x-error-code") === "REQUEST_IN_PROGRESS") continue;
      if (statuses.includes(answer.status)) return answer;
      return wrong(`${method} ${path}`, answer);
    }
    return wrong(`${method} ${path} had no answer within ${REPEAT_FOR} ms`);
  }

  async function create(fields: object = {}): Promise<string> {
    const name = crypto.randomUUID();
    const profile = { fullName: "Ada", bio: bioOf("start", "nothing") };
    const body = { keycloakId: name, email: `${name}@example.com`, profile };
    const headers = { "idempotency-key": name };
    const id = (await repeat([201], "POST", "", { headers, body }))?.body.id ?? "";
    if (Object.keys(fields).length > 0) await repeat([200], "PATCH", `/${id}/quotas`, { body: fields });
    return id;
  }

  async function read(userId: string, known: Seen | undefined): Promise<Seen | undefined> {
    const headers: Record<string, string> = known ? { "if-none-match": `"${known.version}"` } : {};
    const answer = await send("GET", `/${userId}`, { headers });
    if (answer?.status === 304) books.notModified++;
    if (answer?.status !== 200) return answer?.status === 304 ? known : undefined;
    return { version: versionOf(answer), op: readBio(answer.body.profile.bio).op };
  }

  /** One conditional write of the version that was just read. Returns the known state of the user after it. */
  async function change(userId: string, op: string, known: Seen | undefined): Promise<Seen | undefined> {
    const seen = await read(userId, known);
    if (!seen) return undefined;
    const bio = bioOf(op, seen.op);
    const earlier = Math.ceil(Math.random() * seen.version);
    const writes: [method: string, path: string, body: object, updatesBio: boolean][] = [
      ["PATCH", "", { profile: { bio } }, true],
      ["PATCH", "", { profile: { bio } }, true],
      ["PUT", "/profile", { fullName: "Ada", bio }, true],
      ["PATCH", "/preferences", { notifications: { marketing: Math.random() < 0.5 } }, false],
      ["PATCH", "/quotas", { maxInterviews: Math.floor(Math.random() * 1e9) }, false],
      ["POST", "/revert", { version: earlier }, false],
    ];
    const [method, path, body, updatesBio] = pick(writes);
    const isStale = Math.random() < 0.02;
    const base = seen.version - (isStale ? 1 : 0);
    const headers = { "if-match": `"${base}"` };
    const answer = await send(method, `/${userId}${path}`, { headers, body });
    if (answer?.status === 412) books.conflicts++;
    else if (answer?.status === 404 && leavers.includes(userId)) books.missed++;
    else if (!answer) books.unknown++;
    else if (answer.status !== 200 || isStale) wrong(`${method} ${path} of version ${base}`, answer);
    if (answer?.status !== 200) return undefined;
    const version = versionOf(answer);
    const isUnchanged = !updatesBio && version === base; // the same preferences again
    if (!isUnchanged) books.accepted.push({ userId, base, version, ...(updatesBio && { op }) });
    if (path !== "/revert") return { version, op: updatesBio ? op : seen.op };
    books.reverts++;
    return { version, op: readBio(answer.body.profile.bio).op };
  }

  /** Deletes a user, and restores it in any case, because the effect of a request without an answer is unknown. */
  async function leave(userId: string): Promise<void> {
    const answer = await send("DELETE", `/${userId}`);
    if (answer?.status === 404) books.missed++;
    else if (answer && answer.status !== 200) wrong("DELETE", answer);
    if (await repeat([200], "POST", `/${userId}/restore`)) books.returns++;
  }

  async function increment(userId: string): Promise<void> {
    const sent = { headers: { "idempotency-key": crypto.randomUUID() } };
    const path = `/${userId}/stats/increment-interviews`;
    for (let times = Math.random() < 0.3 ? 2 : 1; times > 0; times--) {
      const answer = await repeat([200], "POST", path, sent);
      if (answer?.headers.get("idempotency-replayed")) books.replays++;
    }
    add(books.increments, userId, 1);
  }

  async function reserve(userId: string): Promise<void> {
    const amount = 1 + Math.floor(Math.random() * 20);
    const path = `/${userId}/quota/reservations`;
    const headers = { "idempotency-key": crypto.randomUUID() };
    const answer = await repeat([201, 409], "POST", path, {
      headers,
      body: { resource: "storage", amount, ttl: 3_600 },
    });
    if (answer?.status === 409) books.quotaExceeded++;
    if (answer?.status !== 201) return;
    books.reservations++;
    const own = `${path}/${answer.body.reservationId}`;
    if (Math.random() < 0.97) await repeat([200], "DELETE", own);
    else if (await repeat([200], "POST", `${own}/commit`)) add(books.committed, userId, amount);
  }

  const users = await Promise.all(Array.from({ length: USERS }, () => create()));
  const limited = await Promise.all(
    Array.from({ length: LIMITED.users }, () => create({ maxStorage: LIMITED.bytes })),
  );
  const leavers = users.slice(0, LEAVERS);
  const stayers = users.slice(LEAVERS);
  const write = async (_: unknown, writer: number) => {
    const known = new Map<string, Seen>();
    for (let n = 1; books.operations < total; n++) {
      books.operations++;
      const kind = Math.random();
      const userId = pick(users);
      if (kind < 0.08) await increment(pick(stayers));
      else if (kind < 0.16) await reserve(pick(limited));
      else if (kind < 0.18) await leave(pick(leavers));
      else {
        const seen = await change(userId, `${writer}-${n}`, known.get(userId));
        if (seen) known.set(userId, seen);
        else known.delete(userId);
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}
