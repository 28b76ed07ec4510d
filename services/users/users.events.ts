import { event } from "../../lib/contract/events.ts";
import { anyText, asResult, described, object, oneOf, partial, time } from "../../lib/contract/fields.ts";
import { erasureEvents } from "./users.erasure.contract.ts";
import { ADA, preferencesPatch, profile } from "./users.fields.ts";

/** The published events of users (contract 7). */
export const events = {
  "user.created": event({
    summary: "A user was created",
    data: { keycloakId: anyText(), email: anyText(), fullName: anyText(), createdAt: time() },
    example: {
      keycloakId: ADA.keycloakId,
      email: ADA.email,
      fullName: ADA.profile.fullName,
      createdAt: ADA.createdAt,
    },
  }),
  "user.updated": event({
    summary: "A profile or an e-mail changed; `changes` holds only what changed",
    data: {
      changes: object(
        partial({
          ...asResult(profile),
          email: anyText(),
          preferences: described("After a revert", object(preferencesPatch)),
        }),
      ),
    },
    example: { changes: { phone: "+4930901820", companyName: null } },
  }),
  "user.deleted": event({
    summary: "A user was deleted",
    data: {
      deletedAt: time(),
      reason: oneOf(["user_request", "admin_request", "internal_request", "identity_deleted"]),
    },
    example: { deletedAt: ADA.createdAt, reason: "user_request" },
  }),
  "user.restored": event({
    summary: "A deleted user was restored, without an avatar",
    data: { restoredAt: time() },
    example: { restoredAt: ADA.createdAt },
  }),
  ...erasureEvents,
  "user.preferences_updated": event({
    summary: "Preferences changed; `changes` holds only what changed",
    data: { changes: object(preferencesPatch) },
    example: { changes: { language: "en-GB", notifications: { marketing: true } } },
  }),
};
