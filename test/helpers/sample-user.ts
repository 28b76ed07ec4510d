import fc from "fast-check";
import type { Change } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";

/** An ordinary row. */
export const aUser: UserRow = {
  id: "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
  keycloakId: "kc-1",
  email: "Ada@example.com",
  fullName: "Ada Lovelace",
  companyName: "Engines",
  phone: null,
  bio: null,
  preferences: {},
  avatarUrl: null,
  avatarKey: null,
  avatarSize: 0,
  interviewsCreated: 0,
  interviewsActive: 0,
  candidatesTotal: 0,
  storageUsed: 0,
  maxInterviews: 10,
  maxStorage: 100,
  status: "active",
  statusReason: null,
  createdAt: new Date(),
  updatedAt: new Date(),
  deletedAt: null,
  version: 1,
};

/** The row after a change. */
export const applied = (user: UserRow, change: Change | undefined): UserRow => ({ ...user, ...change?.set });
/** The `changes` in the event of a change. */
export const changesOf = (change: Change | undefined) =>
  (change?.event?.data as { changes: object })?.changes;

export const texts = fc.constantFrom("Ada", "Bob", "Eve");
const optionalTexts = fc.option(texts);
const profiles = fc.record({
  fullName: texts,
  companyName: optionalTexts,
  phone: optionalTexts,
  bio: optionalTexts,
});
/** Some fields of a profile. */
export const wishes = fc.record(
  { fullName: texts, companyName: optionalTexts, phone: optionalTexts, bio: optionalTexts },
  { requiredKeys: [] },
);
/** Rows with any profile. */
export const users = profiles.map((profile) => ({ ...aUser, ...profile }));
