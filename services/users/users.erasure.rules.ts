import { UserErased } from "../../lib/contract/errors.ts";
import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import type { Events } from "../contracts.ts";
import type { Erasure, PROFILE_FIELDS, ScheduledErasure } from "./users.contract.ts";

/** Decisions about erasures: pure (contract 25). */

/** An erased user has no keycloakId. */
export const isErased = ({ keycloakId }: Pick<UserRow, "keycloakId">): boolean => keycloakId === "";

/** @throws UserErased */
export function demandData(user: UserRow): void {
  if (isErased(user)) throw new UserErased(user.id);
}

/** The values of an erased user: none of a person. The counters stay, so that sums stay right. */
const NOBODY = {
  keycloakId: "",
  email: "",
  fullName: "",
  companyName: null,
  phone: null,
  bio: null,
  preferences: {},
  avatarUrl: null,
  avatarKey: null,
  avatarSize: 0,
  status: "active",
  statusReason: null,
} satisfies Record<(typeof PROFILE_FIELDS)[number], string | null> & Partial<UserRow>;

/** The row stays, with its counters. */
export const erase = (user: UserRow, erasureId: string): Change => ({
  set: NOBODY,
  event: { eventType: "user.erased", userId: user.id, data: { erasureId } },
});

/** The names of the columns that an erasure empties and that are not empty. */
export const personalFields = (user: UserRow): string[] =>
  (Object.keys(NOBODY) as (keyof typeof NOBODY)[]).filter(
    (field) => JSON.stringify(user[field]) !== JSON.stringify(NOBODY[field]),
  );

/** The events with ids, numbers and times only: an erasure leaves them in the outbox. */
export const IMPERSONAL: (keyof Events)[] = [
  "user.deleted",
  "user.restored",
  "user.erased",
  "user.avatar_deleted",
  "user.activated",
  "user.quota_warning",
  "user.quota_exceeded",
];

/** An erasure as it is stored. */
export type ErasureRow = {
  id: string;
  dueAt: Date;
  /** Whether `dueAt` has passed, by the clock of the database. */
  isDue: boolean;
  erasedAt: Date | null;
  receipts: { service: string; at: string }[];
};

/** In ms: what is not done this long after it was due is overdue. */
export const GRACE = 86_400_000;

/** @param parties the services that must answer */
export function presentErasure(
  { id, dueAt, erasedAt, receipts }: ErasureRow,
  parties: string[],
  now: Date,
): Erasure {
  const answered = new Set(receipts.map(({ service }) => service));
  const missing = parties.filter((party) => !answered.has(party));
  const isLate = now.getTime() - (erasedAt ?? dueAt).getTime() > GRACE;
  const isDone = erasedAt !== null && missing.length === 0;
  return {
    erasureId: id,
    status: isDone ? "complete" : isLate ? "overdue" : erasedAt ? "erased" : "scheduled",
    dueAt: dueAt.toISOString(),
    erasedAt: erasedAt?.toISOString() ?? null,
    receipts: receipts.map(({ service, at }) => ({ service, at: new Date(at).toISOString() })),
    missing,
  };
}

export const presentScheduled = ({ id, dueAt }: ErasureRow): ScheduledErasure => ({
  erasureId: id,
  status: "scheduled",
  dueAt: dueAt.toISOString(),
});
