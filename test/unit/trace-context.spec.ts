import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { traceIdOf } from "../../services/api/trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const NEW = /^[0-9a-f]{32}$/;

test("the caller's own trace id is taken from a valid traceparent", () => {
  const hex = (length: number) =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((id) => !/^0+$/.test(id));
  fc.assert(
    fc.property(hex(32), hex(16), fc.stringMatching(/^[0-9a-f]{2}$/), (trace, span, flags) => {
      expect(traceIdOf(`00-${trace}-${span}-${flags}`)).toBe(trace);
    }),
  );
});

test("a later version may carry more", () => {
  expect(traceIdOf(`01-${TRACE}-${SPAN}-01`)).toBe(TRACE);
  expect(traceIdOf(`cc-${TRACE}-${SPAN}-01-what-the-future-brings`)).toBe(TRACE);
});

test.each([
  undefined,
  "",
  "garbage",
  TRACE,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${"0".repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${"0".repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE.slice(1)}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-1`,
  `00-${TRACE}-${SPAN}-01x`,
  `00-${TRACE}-${SPAN}-01-more`,
  ` 00-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
])("%j is no traceparent: the trace id is a new one", (traceparent) => {
  const traceId = traceIdOf(traceparent);
  expect(traceId).toMatch(NEW);
  expect(traceId).not.toBe(TRACE);
  expect(traceIdOf(traceparent)).not.toBe(traceId);
});

test("more than one header is none", () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`;
  expect(traceIdOf([traceparent, traceparent])).not.toBe(TRACE);
});
