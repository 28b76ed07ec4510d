import { ValidationFailed } from "../../lib/contract/errors.ts";
import { isStorable, UUID } from "../../lib/contract/fields.ts";

/** The last row of a page: the sort of the list, the row's value of the sorted field, and its id. */
export type Position = { sort: string; value: string; id: string };

/** Encodes a position for the client. It is not signed: a changed cursor selects another page of the same list. */
export const toCursor = ({ sort, value, id }: Position): string =>
  Buffer.from(JSON.stringify([sort, value, id])).toString("base64url");

/**
 * Reads a cursor. Its shape is checked, because its values become part of an SQL query.
 * @throws ValidationFailed if it is not a cursor of this list, or a cursor of another sort
 */
export function fromCursor(cursor: string, sort: string): Position {
  const position = parse(cursor);
  if (!position || toCursor(position) !== cursor) throw badCursor("is not a cursor of this list");
  if (position.sort !== sort) throw badCursor("is a cursor of another sort");
  return position;
}

function parse(cursor: string): Position | undefined {
  try {
    const [sort, value, id] = JSON.parse(Buffer.from(cursor, "base64url").toString());
    return isPosition(sort, value, id) ? { sort, value, id } : undefined;
  } catch {
    return undefined;
  }
}

function isPosition(sort: unknown, value: unknown, id: unknown): boolean {
  if (typeof sort !== "string" || typeof value !== "string" || typeof id !== "string") return false;
  return UUID.test(id) && (sort.endsWith("At") ? isTimestamp(value) : isStorable(value));
}

/** The form of `Date.toISOString`, for the years 0001 to 9999, which PostgreSQL accepts too. */
const isTimestamp = (text: string): boolean =>
  /^(?!0000)\d{4}-/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString() === text;

const badCursor = (message: string) => new ValidationFailed([{ field: "cursor", message }]);
