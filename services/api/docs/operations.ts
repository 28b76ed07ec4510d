import type { Actions, User } from "../../../lib/contract/contracts.ts";
import {
  AvatarNotFound,
  AvatarTooLarge,
  EmailTaken,
  KeycloakIdTaken,
  UnsupportedImage,
  UserNotFound,
} from "../../../lib/contract/errors.ts";
import type { ANSWERS } from "./answers.ts";

/** What the document says of each action besides what the action says itself. A test executes every example. */

/** The user whom all examples are about, as signing up makes her. */
export const ADA: User = {
  id: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
  keycloakId: "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
  email: "ada@example.com",
  profile: {
    fullName: "Ada Lovelace",
    companyName: "Analytical Engines",
    phone: null,
    bio: null,
    avatarUrl: null,
  },
  stats: { interviewsCreated: 0, storageUsed: 0 },
  quotas: { maxInterviews: 10, maxStorage: 5_368_709_120 },
  createdAt: "2025-10-06T10:00:00.000Z",
  updatedAt: "2025-10-06T10:00:00.000Z",
};
const { id, keycloakId, email } = ADA;
const signUp = {
  keycloakId,
  email,
  profile: { fullName: "Ada Lovelace", companyName: "Analytical Engines" },
};
const [interviews, storage] = [
  { used: 0, limit: 10, remaining: 10, exceeded: false },
  { used: 0, limit: 5_368_709_120, remaining: 5_368_709_120, exceeded: false },
];
const stats = {
  interviewsCreated: 0,
  interviewsActive: 0,
  candidatesTotal: 0,
  storageUsed: 0,
  storageUsedFormatted: "0 B",
};
export const PREFERENCES = {
  language: "en",
  timezone: "UTC",
  notifications: {
    email: true,
    interviewInvitation: true,
    interviewReminder: true,
    analysisReady: true,
    quotaWarning: true,
    marketing: false,
  },
};

export type Operation<Params = object, Result = unknown> = {
  summary: string;
  /** Refusals of its own, beside those that follow from who may call it and from what it takes. */
  errors?: Error[];
  params: Params;
} & ({ answer: keyof typeof ANSWERS; result: Result } | { answer: "image" });

/** By action: what it is for, how it refuses, what it answers, and an example. */
export const OPERATIONS: {
  [Name in keyof Actions]: Operation<Actions[Name]["params"], Actions[Name]["result"]>;
} = {
  "users.create": {
    summary: "Sign up a user, right after Keycloak did",
    errors: [new EmailTaken(email), new KeycloakIdTaken(keycloakId)],
    params: signUp,
    answer: "User",
    result: ADA,
  },
  "users.list": {
    summary: "A page of users",
    params: { limit: 20, sort: "-createdAt", search: "ada" },
    answer: "UserPage",
    result: { items: [ADA], nextCursor: null },
  },
  "users.get": { summary: "A user", params: { id }, answer: "User", result: ADA },
  "users.getByKeycloakId": {
    summary: "A user by the id in Keycloak",
    errors: [new UserNotFound("Keycloak ID", keycloakId)],
    params: { keycloakId },
    answer: "User",
    result: ADA,
  },
  "users.getByEmail": {
    summary: "A user by e-mail",
    errors: [new UserNotFound("email", email)],
    params: { email },
    answer: "User",
    result: ADA,
  },
  "users.update": {
    summary: "Change parts of a profile: what is omitted stays, null clears",
    params: { id, profile: { phone: "+49 30 901820", companyName: null } },
    answer: "User",
    result: { ...ADA, profile: { ...ADA.profile, phone: "+4930901820", companyName: null } },
  },
  "users.replaceProfile": {
    summary: "Replace a whole profile: what is omitted is cleared",
    params: { id, fullName: "Ada King", bio: "First programmer" },
    answer: "User",
    result: {
      ...ADA,
      profile: { ...ADA.profile, fullName: "Ada King", companyName: null, bio: "First programmer" },
    },
  },
  "users.changeEmail": {
    summary: "Bring a change of address from Keycloak",
    errors: [new EmailTaken("king@example.com")],
    params: { id, email: "king@example.com" },
    answer: "User",
    result: { ...ADA, email: "king@example.com" },
  },
  "users.remove": {
    summary: "Delete a user",
    params: { id },
    answer: "Message",
    result: { message: "User deleted successfully" },
  },
  "users.getPreferences": {
    summary: "A user's preferences",
    params: { id },
    answer: "Preferences",
    result: PREFERENCES,
  },
  "users.updatePreferences": {
    summary: "Change parts of the preferences",
    params: { id, language: "EN-gb", notifications: { marketing: true } },
    answer: "Preferences",
    result: {
      ...PREFERENCES,
      language: "en-GB",
      notifications: { ...PREFERENCES.notifications, marketing: true },
    },
  },
  "stats.get": { summary: "A user's counters", params: { id }, answer: "Stats", result: stats },
  "stats.incrementInterviews": {
    summary: "Count one more interview, as `interview.created` does",
    params: { id },
    answer: "Stats",
    result: { ...stats, interviewsCreated: 1, interviewsActive: 1 },
  },
  "stats.getQuotas": {
    summary: "What a user may use, and has used",
    params: { id },
    answer: "Quotas",
    result: { interviews, storage },
  },
  "stats.setQuotas": {
    summary: "Change what a user may use",
    params: { id, maxInterviews: 25 },
    answer: "Quotas",
    result: { interviews: { ...interviews, limit: 25, remaining: 25 }, storage },
  },
  "avatars.upload": {
    summary: "Upload a picture: JPEG or PNG, at most 5 MB",
    errors: [new AvatarTooLarge(), new UnsupportedImage()],
    params: { id },
    answer: "Avatar",
    result: {
      avatarUrl: `http://localhost:3003/api/v1/users/${id}/avatar?v=a3f5c1d2e4b60718293a4b5c6d7e8f90`,
    },
  },
  "avatars.get": {
    summary: "The picture, as a square",
    errors: [new AvatarNotFound()],
    params: { id, size: 128 },
    answer: "image",
  },
  "avatars.remove": {
    summary: "Delete the picture",
    errors: [new AvatarNotFound()],
    params: { id },
    answer: "Message",
    result: { message: "Avatar deleted successfully" },
  },
};
