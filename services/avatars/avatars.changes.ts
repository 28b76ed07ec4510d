import { avatarsUploaded, timeStage } from "../../lib/runtime/metrics.ts";
import { avatarUrlOf } from "../../models/avatar-url.ts";
import { type Change, type ChangeCall, changeUser } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import type { Avatar } from "./avatars.images.ts";
import { ensureAvatar, putAvatar, removeUnreferenced } from "./avatars.objects.ts";
import { keyOf, replaceAvatar } from "./avatars.rules.ts";

/** Changes of a user's avatar: store new objects, change the row with its event, then remove the old objects. */

/** Waits for work after the commit; never rejects. */
export type Follow = (work: Promise<unknown>) => Promise<void>;

/**
 * Sets the user's avatar.
 * @throws UserNotFound, VersionConflict, DependencyUnavailable
 */
export async function storeAvatar(
  ctx: ChangeCall,
  avatar: Avatar,
  follow: Follow,
): Promise<{ avatarUrl: string }> {
  const userId = ctx.params.id;
  const key = keyOf(userId, avatar);
  const avatarUrl = avatarUrlOf(userId, avatar.hash);
  const fileSize = await timeStage("store", putAvatar(key, avatar));
  const decide = (user: UserRow) => replaceAvatar(user, key, avatarUrl, fileSize);
  try {
    const isNew = await changeAvatar(ctx, decide, follow);
    if (!isNew) return { avatarUrl };
    avatarsUploaded.inc();
    await follow(ensureAvatar(key, avatar));
    return { avatarUrl };
  } catch (error) {
    // the user may have been deleted or changed meanwhile; otherwise this removes only objects without a reference
    await follow(removeUnreferenced(userId, key));
    throw error;
  }
}

/**
 * Changes the row, then removes the objects of the previous avatar.
 * @returns whether the avatar was replaced or removed
 * @throws UserNotFound, what `decide` throws, VersionConflict, DependencyUnavailable
 */
export async function changeAvatar(
  ctx: ChangeCall,
  decide: (user: UserRow) => Change | undefined,
  follow: Follow,
): Promise<boolean> {
  let old: string | null = null;
  const { avatarKey } = await changeUser("avatars", ctx, (user) => {
    old = user.avatarKey;
    return decide(user);
  });
  if (old === avatarKey) return false;
  if (old) await follow(removeUnreferenced(ctx.params.id, old));
  return true;
}
