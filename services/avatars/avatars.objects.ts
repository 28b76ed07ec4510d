import type { Transaction } from "sequelize";
import { objectStore } from "../../lib/object-store/object-store.ts";
import { query, transaction } from "../../models/database.ts";
import type { Avatar } from "./avatars.images.ts";
import { objectName, objectNames } from "./avatars.rules.ts";

/**
 * The objects of an avatar in the store. They are stored before a row refers to them and removed after no row does. A
 * crash in between leaves only objects without a reference, which are removed later (avatars.reconcile.ts).
 */

/** Stores all variants; returns their total size in bytes. */
export async function putAvatar(key: string, { variants }: Avatar): Promise<number> {
  await Promise.all(
    variants.map(({ size, format, bytes }) =>
      objectStore.put(objectName(key, size, format), bytes, `image/${format}`),
    ),
  );
  return variants.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/**
 * Stores missing objects again. Call it once the row refers to them: a change from the same avatar to another one may
 * have removed them in the meantime.
 */
export async function ensureAvatar(key: string, avatar: Avatar): Promise<void> {
  const isStored = await isAvatarStored(key).catch(() => false); // the credentials may lack the right to list
  if (!isStored) await putAvatar(key, avatar);
}

/** Whether all variants are in the store. */
export async function isAvatarStored(key: string): Promise<boolean> {
  const names = await Array.fromAsync(objectStore.list(`${key}/`), ({ name }) => name);
  return objectNames(key).every((name) => names.includes(name));
}

/**
 * Removes an avatar's objects, unless the user's row refers to them. The row is locked meanwhile: a change back to the
 * same avatar either committed before, or finds the objects missing afterwards and stores them again.
 */
export const removeUnreferenced = (
  userId: string,
  key: string,
  names: string[] = objectNames(key),
): Promise<void> =>
  transaction(async (tx) => {
    if ((await lockKey(tx, userId)) !== key) await objectStore.remove(names);
  });

async function lockKey(tx: Transaction, userId: string): Promise<string | null | undefined> {
  const text = 'SELECT avatar_key AS "avatarKey" FROM users WHERE id = $1 AND deleted_at IS NULL FOR UPDATE';
  const [row] = await query<{ avatarKey: string | null }>({ name: "lock-avatar-key", text }, [userId], tx);
  return row?.avatarKey;
}

/**
 * Removes the avatar's objects of a deleted user. Does nothing for a user who exists, whatever event arrived. The row is
 * locked meanwhile: a user who is restored and uploads the same avatar keeps it.
 */
export const removeAvatarOf = (userId: string): Promise<void> =>
  transaction(async (tx) => {
    const text = "SELECT avatar_key AS key FROM users WHERE id = $1 AND deleted_at IS NOT NULL FOR UPDATE";
    const [user] = await query<{ key: string | null }>({ name: "lock-deleted-avatar", text }, [userId], tx);
    if (user?.key) await objectStore.remove(objectNames(user.key));
  });

/**
 * Removes all objects of an erased user. Does nothing for any other user, whatever event arrived. No lock is needed,
 * because an erased user is never restored.
 */
export async function removeAllOf(userId: string): Promise<void> {
  const text = "SELECT FROM users WHERE id = $1 AND deleted_at IS NOT NULL AND keycloak_id = ''";
  if ((await query({ name: "is-erased", text }, [userId])).length === 0) return;
  const objects = objectStore.list(`${userId}/`);
  await objectStore.remove(await Array.fromAsync(objects, ({ name }) => name));
}
