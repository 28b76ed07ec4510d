import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { ValidationFailed } from "../contract/errors.ts";

/** Strong ETags of what has a version (contract 20). */

/**
 * Sets the ETag of an answer to `"<version>"`; an action on an older node reports no version.
 * @param also what the answer shows besides the row, such as `.1.0`; "" for nothing
 * @returns whether the request is a read whose caller has this version already, so that the answer is 304
 */
export function setEtag(
  { method, headers }: IncomingMessage,
  res: ServerResponse,
  version: number | undefined,
  also: string,
): boolean {
  if (version === undefined) return false;
  const etag = `"${version}${also}"`;
  res.setHeader("ETag", etag);
  const ifNoneMatch = headers["if-none-match"];
  return ifNoneMatch !== undefined && (method === "GET" || method === "HEAD") && isFresh(ifNoneMatch, etag);
}

/**
 * An ETag as `setEtag` writes it, including that of quotas with reservations; a number with more digits would not be
 * exact in JavaScript.
 */
const OURS = /^"(0|[1-9]\d{0,14})(?:\.\d+\.\d+)?"$/;

/**
 * The version that If-Match asks for; undefined without the header, and for `*`, which every existing user matches.
 * @throws ValidationFailed
 */
export function readIfMatch({ "if-match": given }: IncomingHttpHeaders): number | undefined {
  if (given === undefined || given === "*") return undefined;
  const [, version] = OURS.exec(given) ?? [];
  if (version !== undefined) return Number(version);
  const message = 'must be * or one strong ETag of a user, such as "3"';
  throw new ValidationFailed([{ field: "If-Match", message }]);
}

/** Whether If-None-Match names the entity: a weak comparison (RFC 9110, 13.1.2). */
export const isFresh = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch.split(",").some((known) => ["*", etag].includes(known.trim().replace(/^W\//, "")));
