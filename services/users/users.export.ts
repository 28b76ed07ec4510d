import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Context } from "moleculer";
import { config } from "../../lib/config/config.ts";
import { call } from "../../lib/contract/call.ts";
import { callerOf, type Meta } from "../../lib/contract/caller.ts";
import { findIdentity } from "../../models/identity.ts";
import type { UserRow } from "../../models/user.ts";
import type { Actor, Erasure, HistoryEntry } from "./users.contract.ts";
import { presentErasure } from "./users.erasure.rules.ts";
import { findErasure } from "./users.erasure.store.ts";
import { shownTo } from "./users.history.rules.ts";
import { listHistory } from "./users.history.ts";
import { presentListed } from "./users.presenter.ts";
import { preferencesOf } from "./users.rules.ts";

/** All data of one person as one JSON document (contract 25). The history, which may be long, is read in pages. */

const PAGE = 100;

type Call = Context<{ id: string }, Meta>;

/**
 * @param row the user, deleted or not
 * @returns the document as a stream, which fails if the database does
 * @throws DependencyUnavailable
 */
export async function exportUser(ctx: Call, row: UserRow): Promise<Readable> {
  const show = shownTo(callerOf(ctx.meta));
  const known = {
    exportedAt: new Date().toISOString(),
    user: presentListed(row),
    identity: await findIdentity(row),
    preferences: preferencesOf(row),
    ...(await call(ctx, "stats.getAny", { id: row.id })),
    erasures: await erasuresOf(row.id),
    avatar: row.avatarKey && !row.deletedAt ? await avatarOf(ctx) : null,
  };
  return Readable.from(textOf(known, row, show), { objectMode: false });
}

/** The erasure that was not cancelled, if there is one. */
async function erasuresOf(userId: string): Promise<Erasure[]> {
  const erasure = await findErasure(userId);
  return erasure ? [presentErasure(erasure, config.erasureParties, new Date())] : [];
}

/** The avatar as a data URL. It is asked for, because not every node reaches the store. */
async function avatarOf(ctx: Call): Promise<string | null> {
  const image = await call(ctx, "avatars.get", { id: ctx.params.id }).catch((error) => {
    if (error.type === "AVATAR_NOT_FOUND" || error.type === "USER_NOT_FOUND") return null;
    throw error;
  });
  return image && `data:${ctx.meta.avatar?.contentType};base64,${(await buffer(image)).toString("base64")}`;
}

async function* textOf(known: object, row: UserRow, show: (actor: Actor) => Actor): AsyncIterable<string> {
  yield `${JSON.stringify(known).slice(0, -1)},"history":`;
  yield* listOf(entriesOf(row, show));
  yield ',"eventIds":';
  yield* listOf(eventIdsOf(row));
  yield "}\n";
}

async function* listOf(items: AsyncIterable<unknown>): AsyncIterable<string> {
  let separator = "[";
  for await (const item of items) {
    yield separator + JSON.stringify(item);
    separator = ",";
  }
  yield separator === "[" ? "[]" : "]";
}

/** The entries up to the version of the row, newest first: what changes during the export is not in it. */
async function* entriesOf(
  { id, version }: UserRow,
  show: (actor: Actor) => Actor,
): AsyncIterable<HistoryEntry> {
  for (let cursor: string | null = String(version + 1); cursor; ) {
    const page = await listHistory({ id, limit: PAGE, cursor }, show);
    yield* page.items;
    cursor = page.nextCursor;
  }
}

/** The entries are read once more, because a list of their ids would grow with the history. */
async function* eventIdsOf(row: UserRow): AsyncIterable<string> {
  for await (const { eventId } of entriesOf(row, (actor) => actor)) if (eventId) yield eventId;
}
