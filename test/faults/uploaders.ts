import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { uploadOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { type Asked, request } from "../helpers/request.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import type { Account, Ledger } from "./ledger.ts";
import { pick } from "./random.ts";
import { createUser, type Door } from "./writers.ts";

const UPLOADERS = 4;
const PAUSE = 20; // ms
const ANSWER_WITHIN = 10_000; // ms

/** A user with an avatar. The last avatar that was answered with 200 or any later attempt may be served. */
type Shown = { account: Account; versions: Set<string> };
const NONE = "none";

export type Uploaders = {
  users: Shown[];
  /** Resolves when an upload is answered with 200. */
  works(): Promise<void>;
  stop(): Promise<void>;
};

/** Keeps uploading, deleting and requesting avatars through a gateway, until it is stopped. */
export async function startUploaders(ledger: Ledger, door: Door): Promise<Uploaders> {
  const colours = ["#ff0000", "#00ff00", "#0000ff", "#ffff00", "#ff00ff"];
  const files = await Promise.all(colours.map((left) => jpeg({ left })));
  const users: Shown[] = [];
  let [stopped, uploads] = [false, 0];

  const work = async (user: Shown) => {
    while (!stopped) {
      const chance = Math.random();
      if (chance < 0.6) {
        if (await upload(ledger, door, user, pick(files))) uploads++;
      } else if (chance < 0.8) await remove(ledger, door, user);
      else await look(ledger, door, user);
      await sleep(PAUSE);
    }
  };
  for (let n = 0; n < UPLOADERS; n++) {
    const account = await createUser(ledger, door);
    if (account) users.push({ account, versions: new Set([NONE]) });
  }
  const working = users.map(work);
  return {
    users,
    async works() {
      for (const before = uploads; uploads === before; ) await sleep(PAUSE);
    },
    async stop() {
      stopped = true;
      await Promise.all(working);
    },
  };
}

async function upload(ledger: Ledger, door: Door, user: Shown, file: Buffer): Promise<boolean> {
  const version = createHash("sha256").update(file).digest("hex").slice(0, 32);
  user.versions.add(version);
  const done = await ask(ledger, door, uploadOf(user.account.id, file), [200]);
  if (done) user.versions = new Set([version]);
  return done !== undefined;
}

async function remove(ledger: Ledger, door: Door, user: Shown): Promise<void> {
  user.versions.add(NONE);
  const asked = { method: "DELETE", path: `/api/v1/users/${user.account.id}/avatar` };
  if (await ask(ledger, door, asked, [200, 404])) user.versions = new Set([NONE]);
}

/** Requests the avatar, which must be complete and one of those that may be served. */
export async function look(ledger: Ledger, door: Door, { account, versions }: Shown): Promise<void> {
  const asked = { path: `/api/v1/users/${account.id}/avatar` };
  const answer = await ask(ledger, door, asked, [200, 404]);
  if (!answer) return;
  const [, version = NONE] = /^"(\w+)-/.exec(answer.headers.etag ?? "") ?? [];
  if (!versions.has(version)) ledger.wrong.push(`${account.id} shows ${version}, not ${[...versions]}`);
  if (answer.status === 200)
    await sharp(answer.bytes)
      .raw()
      .toBuffer()
      .catch(() => ledger.wrong.push(`${account.id} shows no whole avatar`));
}

/** One request. Returns the answer if it has one of `statuses`. Any other is reported, unless the door allows it. */
async function ask(ledger: Ledger, door: Door, asked: Asked, good: number[]) {
  const start = Date.now();
  const mayRefuse = door.mayRefuse();
  const headers = { ...asked.headers, "x-internal-token": INTERNAL_TOKEN };
  try {
    const answer = await request(door.url(), { ...asked, headers }, false); // a node that stops closes idle connections
    const ms = Date.now() - start;
    const refused = answer.status === 503 && (mayRefuse || door.mayRefuse());
    if (good.includes(answer.status)) ledger.writes++;
    else if (refused) ledger.refused++;
    else ledger.wrong.push(`${asked.method ?? "GET"} ${asked.path}, ${ledger.fault}: ${answer.status}`);
    if (ms > ANSWER_WITHIN) ledger.wrong.push(`${asked.path} took ${ms} ms, ${ledger.fault}`);
    return good.includes(answer.status) ? answer : undefined;
  } catch (error) {
    ledger.cutOff++;
    if (!mayRefuse && !door.mayRefuse())
      ledger.wrong.push(`${asked.path}, ${ledger.fault}: ${(error as Error).message}`);
    return undefined;
  }
}
