import type { Transaction } from "sequelize";
import { objectStore } from "../../lib/object-store/object-store.ts";
import { query, transaction } from "../../models/database.ts";
import type { Avatar } from "./avatars.images.ts";
import { objectName, objectNames } from "./avatars.rules.ts";

/**
 * The objects of an avatar in the store. They are put before a row refers to them and removed after none does. So a
 * crash in between leaves at most objects without a reference, which the reconciler removes (avatars.reconcile.ts).
 */

/** Stores every variant; returns the bytes they take together. */
export async function putAvatar(key: string, { variants }: Avatar): Promise<number> {
  await Promise.all(
    variants.map(({ size, format, bytes }) =>
      objectStore.put(objectName(key, size, format), bytes, `image/${format}`),
    ),
  );
  return variants.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/**
 * Puts objects again that are missing. To be called once the row refers to them: a change away from the same avatar may
 * have removed them since they were put.
 */
export async function ensureAvatar(key: string, avatar: Avatar): Promise<void> {
  if (!(await isAvatarStored(key))) await putAvatar(key, avatar);
}

/** Whether every variant is in the store. */
export async function isAvatarStored(key: string): Promise<boolean> {
  const names = await Array.fromAsync(objectStore.list({ prefix: `${key}/` }), ({ name }) => name);
  return objectNames(key).every((name) => names.includes(name));
}

/**
 * Removes an avatar's objects, unless the user's row refers to them. The row is locked meanwhile: a change back to the
 * same avatar either committed before, or finds afterwards that the objects are missing and puts them again.
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

/** Removes every object of a user who is deleted or unknown. Changes nothing for a living user, whatever event arrived. */
export async function removeAllOf(userId: string): Promise<void> {
  const text = "SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL";
  const living = await query({ name: "is-living", text }, [userId]);
  if (living.length > 0) return;
  const objects = objectStore.list({ prefix: `${userId}/` });
  await objectStore.remove(await Array.fromAsync(objects, ({ name }) => name));
}
