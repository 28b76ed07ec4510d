import type { UserRow } from "../../models/user.ts";
import type { Quota, Quotas, Reservation as ReservationResult, Stats } from "./stats.contract.ts";
import type { Reservation } from "./stats.rules.ts";
import type { Usage } from "./stats.store.ts";

/**
 * A user's row as `Stats` (contract 1). Events come in any order, so a counter may be negative for a while: shown as 0.
 */
export const presentStats = (row: UserRow): Stats => ({
  interviewsCreated: Math.max(0, row.interviewsCreated),
  interviewsActive: Math.max(0, row.interviewsActive),
  candidatesTotal: Math.max(0, row.candidatesTotal),
  storageUsed: Math.max(0, row.storageUsed),
  storageUsedFormatted: formatBytes(Math.max(0, row.storageUsed)),
});

/** A user's quotas (contract 2 and 26). Only reservations enforce them. */
export const presentQuotas = (usage: Usage): Quotas => ({
  interviews: quota(Math.max(0, usage.interviewsCreated), usage.maxInterviews, usage.reservedInterviews),
  storage: quota(Math.max(0, usage.storageUsed), usage.maxStorage, usage.reservedStorage),
});

const quota = (used: number, limit: number | null, reserved: number): Quota => ({
  used,
  limit,
  reserved,
  remaining: limit === null ? null : Math.max(0, limit - used - reserved),
  exceeded: limit !== null && used >= limit,
});

/** A reservation, and what then remains of the quota; null if it is unlimited. */
export const presentReservation = (
  { id, userId, resource, amount, expiresAt }: Omit<Reservation, "state">,
  remaining: number | null,
): ReservationResult => ({
  reservationId: id,
  userId,
  resource,
  amount,
  expiresAt: expiresAt.toISOString(),
  remaining,
});

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** Formats bytes: powers of 1024, at most one decimal, carried over ("1 MB", never "1024 KB"). */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (rounded(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${rounded(value)} ${UNITS[unit]}`;
}

const rounded = (value: number) => Math.round(value * 10) / 10;
