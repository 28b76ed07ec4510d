import type { Access } from "./caller.ts";

declare module "moleculer" {
  interface ActionSchema {
    /** The callers that the action allows; the access mixin enforces it. */
    access?: Access;
    /** Suspended users may call it for themselves. */
    whileSuspended?: true;
    /** The `action` of the log line that each success writes (contract 10). */
    logAs?: string;
    /** The level of that line, if not "info". */
    logLevel?: "debug";
  }
}
