import type { AvatarMeta } from "../../lib/contract/caller.ts";
import { AvatarNotFound } from "../../lib/contract/errors.ts";
import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import { SIZES } from "./avatars.contract.ts";
import type { Avatar, FallbackFormat, Format } from "./avatars.images.ts";

/** The changes of a user's row with the avatar, and the names of an avatar's objects. */

/** The prefix of an avatar's objects, as stored in the row. No part of it comes from the client. */
export const keyOf = (userId: string, { hash, fallback }: Avatar): string => `${userId}/${hash}.${fallback}`;

export const objectName = (key: string, size: number, format: Format): string => `${key}/${size}.${format}`;

/** The names of all objects of an avatar. */
export const objectNames = (key: string): string[] =>
  SIZES.flatMap((size) => [objectName(key, size, "webp"), objectName(key, size, partsOf(key).fallback)]);

/** The key that an object belongs to. */
export const keyOfObject = (name: string): string => name.slice(0, name.lastIndexOf("/"));

/** `version` is the value of `?v=` in the avatar's URL. */
function partsOf(key: string): { version: string; fallback: FallbackFormat } {
  const [, version = "", fallback] = /\/(\w+)\.(jpeg|png)$/.exec(key) ?? [];
  return { version, fallback: fallback as FallbackFormat };
}

/** The object to serve, `size` pixels wide, and the metadata for the answer's headers. */
export function describeVariant(
  key: string,
  { size = 512, webp }: { size?: number; webp?: boolean },
): { name: string; avatar: AvatarMeta } {
  const { version, fallback } = partsOf(key);
  const format = webp ? "webp" : fallback;
  const etag = `"${version}-${size}-${format}"`;
  return { name: objectName(key, size, format), avatar: { contentType: `image/${format}`, etag, version } };
}

/** Replacing an avatar changes the storage by the difference (contract 2). The same avatar again changes nothing. */
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
    event: { eventType: "user.avatar_uploaded", userId: user.id, data: { avatarUrl, fileSize } },
  };
}

/** @throws AvatarNotFound if the user has none */
export function removeAvatar(user: UserRow): Change {
  if (!user.avatarKey) throw new AvatarNotFound();
  const fileSize = user.avatarSize;
  return {
    set: { avatarKey: null, avatarUrl: null, avatarSize: 0 },
    add: { storageUsed: -fileSize },
    event: { eventType: "user.avatar_deleted", userId: user.id, data: { fileSize } },
  };
}
