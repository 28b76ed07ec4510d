import { newTraceId } from "../shared/events.ts";

/**
 * version-traceid-parentid-flags; version ff and ids of zeros are not valid, and what follows is for versions
 * after 00 alone (W3C Trace Context, 3.2).
 */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|(?<!^00.*)-)/;

/** The caller's own trace id where it sent a valid `traceparent`, else a new one (SPEC 3). */
export const traceIdOf = (traceparent: string | string[] | undefined): string =>
  TRACEPARENT.exec(String(traceparent))?.[1] ?? newTraceId();
