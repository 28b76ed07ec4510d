import { AvatarNotFound } from "../../lib/contract/errors.ts";
import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import type { AvatarMeta } from "./avatars.contract.ts";
import { SIZES } from "./avatars.contract.ts";
import type { Avatar, Fallback, Format } from "./avatars.images.ts";

/** What becomes of a user's row when the picture changes, and how the objects of a picture are named. */

/** What all objects of a picture are named by; nothing of it comes from the client. */
export const keyOf = (userId: string, { hash, fallback }: Avatar): string => `${userId}/${hash}.${fallback}`;

export const objectName = (key: string, size: number, format: Format): string => `${key}/${size}.${format}`;

/** Every object of a picture. */
export const objectNames = (key: string): string[] =>
  SIZES.flatMap((size) => [objectName(key, size, "webp"), objectName(key, size, partsOf(key).fallback)]);

/** The key that an object belongs to. */
export const keyOfObject = (name: string): string => name.slice(0, name.lastIndexOf("/"));

/** A key's parts: the picture's version, as `?v=` in its address, and what it is where WebP is not taken. */
function partsOf(key: string): { version: string; fallback: Fallback } {
  const [, version = "", fallback] = /\/(\w+)\.(jpeg|png)$/.exec(key) ?? [];
  return { version, fallback: fallback as Fallback };
}

/** The object that is shown, in `size` pixels, and what is told of it. */
export function describePicture(
  key: string,
  { size = 512, webp }: { size?: number; webp?: boolean },
): { name: string; avatar: AvatarMeta } {
  const { version, fallback } = partsOf(key);
  const format = webp ? "webp" : fallback;
  const etag = `"${version}-${size}-${format}"`;
  return { name: objectName(key, size, format), avatar: { contentType: `image/${format}`, etag, version } };
}

/** The new picture takes the old one's place; storage moves by the difference (SPEC 2). The same picture again: no change. */
export function replaceAvatar(
  user: UserRow,
  key: string,
  avatarUrl: string,
  fileSize: number,
): Change | undefined {
  if (user.avatarKey === key) return undefined;
  return {
    set: { avatarKey: key, avatarUrl, avatarSize: fileSize },
    add: { storageUsed: fileSize - user.avatarSize },
    events: [{ eventType: "user.avatar_uploaded", userId: user.id, data: { avatarUrl, fileSize } }],
  };
}

/** @throws AvatarNotFound where there is none */
export function removeAvatar(user: UserRow): Change {
  if (!user.avatarKey) throw new AvatarNotFound();
  const fileSize = user.avatarSize;
  return {
    set: { avatarKey: null, avatarUrl: null, avatarSize: 0 },
    add: { storageUsed: -fileSize },
    events: [{ eventType: "user.avatar_deleted", userId: user.id, data: { fileSize } }],
  };
}

/** Whether a client has the entity already, by its If-None-Match: a weak comparison (RFC 9110, 13.1.2). */
export const isFresh = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch.split(",").some((known) => ["*", etag].includes(known.trim().replace(/^W\//, "")));
