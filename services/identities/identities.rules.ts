import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";

/** Decisions about the status of users: pure (contract 27). */

/** A user who is suspended already gets the new reason. */
export function suspend(user: UserRow, reason: string): Change | undefined {
  if (user.status === "suspended" && user.statusReason === reason) return undefined;
  return {
    set: { status: "suspended", statusReason: reason },
    event: { eventType: "user.suspended", userId: user.id, data: { reason } },
  };
}

export function activate(user: UserRow): Change | undefined {
  if (user.status === "active") return undefined;
  return {
    set: { status: "active", statusReason: null },
    event: { eventType: "user.activated", userId: user.id, data: {} },
  };
}
