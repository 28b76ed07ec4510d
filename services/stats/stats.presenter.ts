import type { UserRow } from "../../models/user.ts";
import type { Quota, Quotas, Stats } from "./stats.contract.ts";

/** A user's row as `Stats` (SPEC 1). Events come in any order, so a counter may be below 0 for a while: shown as 0. */
export const presentStats = (row: UserRow): Stats => ({
  interviewsCreated: Math.max(0, row.interviewsCreated),
  interviewsActive: Math.max(0, row.interviewsActive),
  candidatesTotal: Math.max(0, row.candidatesTotal),
  storageUsed: Math.max(0, row.storageUsed),
  storageUsedFormatted: formatBytes(Math.max(0, row.storageUsed)),
});

/** A user's quotas (SPEC 2): told, not enforced. */
export const presentQuotas = (row: UserRow): Quotas => ({
  interviews: quota(Math.max(0, row.interviewsCreated), row.maxInterviews),
  storage: quota(Math.max(0, row.storageUsed), row.maxStorage),
});

const quota = (used: number, limit: number): Quota => ({
  used,
  limit,
  remaining: Math.max(0, limit - used),
  exceeded: used >= limit,
});

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** Bytes for people: powers of 1024, at most one decimal, carried over ("1 MB", never "1024 KB"). */
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
