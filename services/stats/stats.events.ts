import { event } from "../../lib/contract/events.ts";
import { count, described, oneOf } from "../../lib/contract/fields.ts";
import { RESOURCES } from "../../lib/contract/resource.ts";

/** The events that quotas publish (contract 7). */

const threshold = {
  resource: oneOf(RESOURCES),
  used: count(),
  limit: count(),
  percent: described("Rounded down; 100 for a limit of 0", count()),
};

export const events = {
  "user.quota_warning": event({
    summary: "85, 90 or 95 % of a quota were reached",
    data: threshold,
    example: { resource: "interviews", used: 9, limit: 10, percent: 90 },
  }),
  "user.quota_exceeded": event({
    summary: "A quota is used up",
    data: threshold,
    example: { resource: "interviews", used: 10, limit: 10, percent: 100 },
  }),
};
