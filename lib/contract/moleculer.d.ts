import type { Access } from "./caller.ts";

declare module "moleculer" {
  interface ActionSchema {
    /** Who may call the action; the access mixin enforces it. */
    access?: Access;
    /** The `action` of the log line that each success writes (SPEC 10). */
    logAs?: string;
    /** The level of that line, where it is not "info". */
    logLevel?: "debug";
  }
}
