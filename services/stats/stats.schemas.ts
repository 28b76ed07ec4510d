import { integer, optional, params, uuid } from "../../lib/contract/fields.ts";

/** What the actions of `stats` take (SPEC 2). */

export const byId = params({ id: uuid() });

export const setQuotas = params({
  id: uuid(),
  maxInterviews: optional(integer(0, 2 ** 31 - 1)),
  maxStorage: optional(integer(0, Number.MAX_SAFE_INTEGER)),
});

/** Between services of ours only: the events were validated where they were read (services/ingest). */
export const apply = params({ events: { type: "array", nullable: false } });
