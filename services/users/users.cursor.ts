import { createHmac, timingSafeEqual } from "node:crypto";
import { ValidationFailed } from "../../lib/contract/errors.ts";

/** Where a page of the list ended: the sort it was in, the sorted value and the id of its last row. */
export type Position = { sort: string; value: string; id: string };

/** A position as a text for the client: readable, and signed, so that no other one is taken. */
export function toCursor({ sort, value, id }: Position, secret: string): string {
  const body = Buffer.from(JSON.stringify([sort, value, id])).toString("base64url");
  return `${body}.${sign(body, secret)}`;
}

/** @throws ValidationFailed for a cursor that is not ours, or of another sort */
export function fromCursor(cursor: string, sort: string, secret: string): Position {
  const [, body = "", signature = ""] = FORM.exec(cursor) ?? [];
  if (!isSame(signature, sign(body, secret))) throw badCursor("is not a cursor of this list");
  const [cursorSort, value, id] = JSON.parse(Buffer.from(body, "base64url").toString());
  if (cursorSort !== sort) throw badCursor("is a cursor of another sort");
  return { sort, value, id };
}

/** Both parts in base64url; the signature is 32 bytes. */
const FORM = /^([\w-]+)\.([\w-]{43})$/;

const sign = (body: string, secret: string) => createHmac("sha256", secret).update(body).digest("base64url");
const isSame = (a: string, b: string) =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
const badCursor = (message: string) => new ValidationFailed([{ field: "cursor", message }]);
