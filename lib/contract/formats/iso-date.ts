import { type Fault, fault } from "./fault.ts";

/** ISO 8601 as restricted by RFC 3339; the time, its seconds and its zone are optional. */
export const ISO_DATE =
  /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?)?$/;

/**
 * A time in UTC with milliseconds, as `Date.toISOString()` writes it. Without a time it is midnight; without a zone,
 * UTC. A date that does not exist (30 February, 24:00) is refused, because `Date` would move it to another day.
 */
export function toUtcDate(text: string): string | Fault {
  const [, day, minutes = "00:00", seconds = ":00", fraction = "", zone = "Z"] = ISO_DATE.exec(text) ?? [];
  const clock = `${day}T${minutes}${seconds}`;
  if (!isoOf(`${clock}Z`)?.startsWith(clock)) return NOT_A_DATE;
  return isoOf(`${clock}${fraction}${zone}`) ?? NOT_A_DATE;
}

const NOT_A_DATE = fault("must be an ISO 8601 date");

/** Undefined for an invalid date, and for the year 0, which PostgreSQL does not have. */
function isoOf(text: string): string | undefined {
  const date = new Date(text);
  return date.getUTCFullYear() >= 1 ? date.toISOString() : undefined;
}
