import { action } from "../../lib/contract/action.ts";
import {
  EmailTaken,
  ErasureNotFound,
  HoldNotFound,
  KeycloakIdTaken,
  LegalHold,
  UserErased,
} from "../../lib/contract/errors.ts";
import { event } from "../../lib/contract/events.ts";
import {
  anyText,
  count,
  described,
  type Infer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  text,
  time,
  uuid,
} from "../../lib/contract/fields.ts";
import { ADA, id } from "./users.fields.ts";

/** Erasing the data of a person, and keeping it for a court (contract 25). */

const STATUSES = ["scheduled", "erased", "complete", "overdue"] as const;

const scheduled = {
  erasureId: uuid(),
  status: described("`complete`: erased, and all parties have answered", oneOf(STATUSES)),
  dueAt: time(),
};
const ScheduledErasure = object(scheduled, "ScheduledErasure");
export type ScheduledErasure = Infer<typeof ScheduledErasure>;

export const Erasure = object(
  {
    ...scheduled,
    erasedAt: nullable(time()),
    receipts: list(object({ service: anyText(), at: time() })),
    missing: described("The parties that have not answered", list(anyText())),
  },
  "Erasure",
);
export type Erasure = Infer<typeof Erasure>;

const Hold = object({ userId: uuid(), reason: anyText(), since: time() }, "Hold");
export type Hold = Infer<typeof Hold>;

/** The answer of another service that it has erased its data of a person. */
export const receipt = { erasureId: uuid(), service: text(1, 100) };
export type Receipt = { erasureId: string; service: string };
const RECEIPT_OUTCOMES = ["applied", "duplicate", "unknown-erasure"] as const;
export type ReceiptOutcome = (typeof RECEIPT_OUTCOMES)[number];

const Inventory = object({
  erasure: nullable(Erasure),
  hold: nullable(Hold),
  fields: described("The columns of the row with personal data", list(anyText())),
  historyEntries: count(),
  outboxRecords: count(),
  deadLetters: count(),
  identities: count(),
  identityHints: count(),
  storedAnswers: count(),
});
export type Inventory = Infer<typeof Inventory>;

const Message = object({ message: anyText() }, "Message");
const reason = text(1, 500);
const ada = { id: ADA.id };
const ERASURE_ID = "0191d2f0-6f2b-4c39-9a53-8e5f0f8f6b1d";
const onePlanned = { erasureId: ERASURE_ID, status: "scheduled" as const, dueAt: ADA.createdAt };
const erased = new UserErased(ADA.id);

export const erasureActions = {
  requestErasure: action({
    rest: "POST /users/:id/erasure",
    status: 202,
    idempotent: true,
    access: "person",
    logAs: "erasure_request",
    params: { id, reason: optional(reason) },
    result: ScheduledErasure,
    operationId: "requestErasure",
    summary: "Delete a user, and erase all personal data later",
    errors: [new LegalHold(ADA.id), erased],
    example: { params: { ...ada, reason: "asked by e-mail" }, result: onePlanned },
  }),
  getErasure: action({
    rest: "GET /users/:id/erasure",
    access: "person",
    params: { id },
    result: Erasure,
    operationId: "getErasure",
    summary: "Get the state of an erasure",
    errors: [new ErasureNotFound(ADA.id)],
    example: { params: ada, result: { ...onePlanned, erasedAt: null, receipts: [], missing: [] } },
  }),
  cancelErasure: action({
    rest: "DELETE /users/:id/erasure",
    access: "admin-only",
    logAs: "erasure_cancel",
    params: { id },
    result: Message,
    operationId: "cancelErasure",
    summary: "Cancel an erasure that is scheduled, and restore the user",
    errors: [
      new ErasureNotFound(ADA.id),
      new EmailTaken(ADA.email),
      new KeycloakIdTaken(ADA.keycloakId),
      erased,
    ],
    example: { params: ada, result: { message: "Erasure cancelled, user restored" } },
  }),
  hold: action({
    rest: "PUT /users/:id/hold",
    access: "admin-only",
    logAs: "hold",
    params: { id, reason },
    result: Hold,
    operationId: "holdUser",
    summary: "Keep the data of a user: they can't be erased",
    errors: [erased],
    example: {
      params: { ...ada, reason: "court case" },
      result: { userId: ADA.id, reason: "court case", since: ADA.createdAt },
    },
  }),
  releaseHold: action({
    rest: "DELETE /users/:id/hold",
    access: "admin-only",
    logAs: "hold_release",
    params: { id, reason: optional(reason) },
    result: Message,
    operationId: "releaseHold",
    summary: "Release a hold: the user can be erased again",
    errors: [new HoldNotFound(ADA.id)],
    example: { params: { ...ada, reason: "case closed" }, result: { message: "Hold released successfully" } },
  }),
  /** For `npm run erase`: at once, also if the erasure is due later or was not requested. */
  eraseNow: action({
    access: "admin-only",
    visibility: "public",
    logAs: "user_erase",
    params: { id },
    result: Erasure,
    summary: "Erase a user at once",
  }),
  /** For `npm run erase -- ID --dry-run`. */
  inventory: action({
    access: "admin-only",
    visibility: "public",
    params: { id },
    result: Inventory,
    summary: "List what is stored of a user",
  }),
  /** For `npm run purge`. */
  purge: action({
    access: "admin-only",
    visibility: "public",
    params: {},
    result: object({ erased: described("Users", count()) }),
    summary: "Erase what is due, and delete old entries and answers",
  }),
  receive: action({
    access: "internal",
    visibility: "public",
    params: { receipts: list(object(receipt)) },
    result: list(oneOf(RECEIPT_OUTCOMES)),
    summary: "Record that other services have erased",
  }),
};

export const erasureEvents = {
  "user.erased": event({
    summary:
      "All personal data of a user was erased; services that have some erase it and answer `erasure.completed`",
    data: { erasureId: uuid() },
    example: { erasureId: ERASURE_ID },
  }),
};
