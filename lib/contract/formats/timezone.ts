import { createRequire } from "node:module";
import { type Fault, fault } from "./fault.ts";

/**
 * The names come from the IANA database itself (the package `tzdata`), links included. Intl cannot be used: it accepts
 * names that only ICU knows (`IST`, `SystemV/AST4`), and its own list lacks the links. `Factory` is IANA's placeholder
 * for a machine whose zone was never set.
 */
const { zones } = createRequire(import.meta.url)("tzdata") as { zones: Record<string, unknown> };
const NAMES = new Map(
  Object.keys(zones)
    .filter((name) => name !== "Factory")
    .map((name) => [name.toLowerCase(), name]),
);

/** A name of the IANA time zone database, in any case; returned in IANA's spelling (contract 2). */
export const toTimezone = (text: string): string | Fault =>
  NAMES.get(text.toLowerCase()) ?? fault("must be an IANA time zone");
