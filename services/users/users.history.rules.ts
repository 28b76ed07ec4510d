import type { Caller } from "../../lib/contract/caller.ts";
import type { Actor } from "./users.contract.ts";

/** Decisions about the history: pure (contract 24). */

/**
 * How a caller sees who made a change: a user does not learn which admin it was, or for whom a service did it
 * (contract 24).
 */
export const shownTo =
  ({ internal, user }: Caller) =>
  (actor: Actor): Actor => {
    const mayBeAnother = actor.kind === "admin" || actor.kind === "internal";
    return mayBeAnother && !internal && !user?.admin ? { kind: actor.kind } : actor;
  };

/**
 * Whether the history leads back to a version: each entry has the values from before it, so the oldest one leads to the
 * version before its own.
 * @param oldest the version of the oldest entry; null if there is none
 */
export const isKnown = (version: number | null, oldest: number | null, current: number): boolean =>
  version !== null && version <= current && version >= (oldest ?? current + 1) - 1;
