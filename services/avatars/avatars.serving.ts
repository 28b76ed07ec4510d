import type { Readable } from "node:stream";
import type { AvatarMeta } from "../../lib/contract/caller.ts";
import { AvatarNotFound, UserNotFound } from "../../lib/contract/errors.ts";
import { isFresh } from "../../lib/http/etag.ts";
import { objectStore } from "../../lib/object-store/object-store.ts";
import { findUser, forgetUsers } from "../../models/user-row.ts";
import { describeVariant } from "./avatars.rules.ts";

type Wanted = { id: string; size?: number; webp?: boolean; ifNoneMatch?: string };

/**
 * Finds the variant of a user's avatar.
 * @returns its description, and its bytes unless the caller already has them
 * @throws UserNotFound, AvatarNotFound, DependencyUnavailable
 */
export async function serveAvatar(wanted: Wanted): Promise<{ image: Readable | null; avatar: AvatarMeta }> {
  for (let missing: string | undefined; ; ) {
    const key = await avatarKeyOf(wanted.id);
    if (key === missing) throw new AvatarNotFound();
    const { name, avatar } = describeVariant(key, wanted);
    if (isFresh(wanted.ifNoneMatch ?? "", avatar.etag)) return { image: null, avatar };
    const object = await objectStore.get(name);
    if (object) {
      object.body.on("error", () => {}); // a caller that has given up does not listen, and then it would end the process
      return { image: object.body, avatar: { ...avatar, length: object.length } };
    }
    missing = key;
    forgetUsers([wanted.id]); // another node may just have replaced the avatar
  }
}

async function avatarKeyOf(userId: string): Promise<string> {
  const user = await findUser(userId);
  if (!user) throw new UserNotFound("ID", userId);
  if (!user.avatarKey) throw new AvatarNotFound();
  return user.avatarKey;
}
