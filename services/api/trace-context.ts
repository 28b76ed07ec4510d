import { newTraceId } from "../shared/events.ts";

/** version-traceid-parentid-flags; version ff and an id of zeros are not valid (W3C Trace Context, 3.2). */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-|$)/;

/** The caller's own trace id where it sent a valid `traceparent`, else a new one (SPEC 3). */
export const traceIdOf = (traceparent: string | string[] | undefined): string =>
  TRACEPARENT.exec(String(traceparent))?.[1] ?? newTraceId();
