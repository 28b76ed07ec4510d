let last = { second: Number.NaN, text: "" };

/** ISO 8601, in UTC, of a time in ms. toISOString() is a third of a log line's cost, so it is asked once a second. */
export function toTimestamp(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== last.second)
    last = { second, text: new Date(1000 * second).toISOString().slice(0, -"000Z".length) };
  return `${last.text}${String(ms - 1000 * second).padStart(3, "0")}Z`;
}
