import type { Encoding, Finished } from "./collector.types.ts";

/** OTLP's JSON over HTTP (OpenTelemetry Protocol 1.0). */

const KINDS = { server: 2, client: 3, producer: 4, consumer: 5 };
const FAILED = 2;

const attributes = (tags: [string, string][]) =>
  tags.map(([key, stringValue]) => ({ key, value: { stringValue } }));

const nanoseconds = (ms: number) => `${Math.round(ms * 1000)}000`;

const toSpan = ({ traceId, spanId, parentId, name, kind, start, duration, failed, tags }: Finished) => ({
  traceId,
  spanId,
  parentSpanId: parentId,
  name,
  kind: KINDS[kind],
  startTimeUnixNano: nanoseconds(start),
  endTimeUnixNano: nanoseconds(start + duration),
  attributes: attributes(tags),
  status: failed ? { code: FAILED } : {},
});

export const encodeOtlp: Encoding = {
  contentType: "application/json",
  encode: (process, spans) =>
    JSON.stringify({
      resourceSpans: [
        {
          resource: { attributes: attributes(Object.entries(process)) },
          scopeSpans: [{ scope: { name: "moleculer" }, spans: spans.map(toSpan) }],
        },
      ],
    }),
};
