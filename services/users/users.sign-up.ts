import type { Transaction } from "sequelize";
import { UserNotFound } from "../../lib/contract/errors.ts";
import type { TracedCall } from "../../lib/tracing/cause.ts";
import { transaction } from "../../models/database.ts";
import { lastDeletion } from "../../models/user-row.ts";
import type { Wish } from "./users.rules.ts";
import { ensureUser, insertUser } from "./users.store.ts";

/** Creates users from their tokens (contract 27). */

/** What runs now, by what it creates: a client that begins with many requests at once needs one transaction. */
const running = new Map<string, Promise<boolean>>();

/**
 * Creates the user of a token if there is none.
 * @param issuedAt the time of the token, in seconds since 1970
 * @returns whether it created the user; of parallel calls, one does
 * @throws UserNotFound if the user was deleted after the token was issued; EmailTaken if the e-mail belongs to another
 * user; DependencyUnavailable
 */
export async function signUp(ctx: TracedCall, wish: Wish, issuedAt: number): Promise<boolean> {
  const key = JSON.stringify([wish, issuedAt]);
  const other = running.get(key);
  if (other) return other.then(() => false);
  const own = create(ctx, wish, issuedAt).finally(() => running.delete(key));
  running.set(key, own);
  return own;
}

async function create(ctx: TracedCall, wish: Wish, issuedAt: number): Promise<boolean> {
  const demandNewToken = async (tx?: Transaction) => {
    const deletedAt = await lastDeletion(wish.keycloakId, tx);
    if (deletedAt && deletedAt.getTime() >= issuedAt * 1000)
      throw new UserNotFound("Keycloak ID", wish.keycloakId);
  };
  await demandNewToken();
  const { created } = await ensureUser(ctx, wish, (user, event) =>
    transaction(async (tx) => {
      const row = await insertUser(ctx, user, event, tx);
      await demandNewToken(tx); // the user may have been created and deleted since the first check
      return row;
    }),
  );
  return created;
}
