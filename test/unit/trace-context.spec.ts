import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { readTraceparent, toTraceparent, traceparentOf } from "../../lib/tracing/trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("a valid traceparent is parsed and written back unchanged", () => {
  const hex = (length: number) =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((id) => !/^0+$/.test(id));
  fc.assert(
    fc.property(hex(32), hex(16), fc.stringMatching(/^[0-9a-f]{2}$/), (trace, span, flags) => {
      const sampled = Number.parseInt(flags, 16) % 2 === 1;
      const read = readTraceparent(`00-${trace}-${span}-${flags}`);
      expect(read).toEqual({ traceID: trace, id: span, sampled });
      expect(read && toTraceparent(read)).toBe(`00-${trace}-${span}-${sampled ? "01" : "00"}`);
    }),
  );
});

test("a traceparent of a later version may have more fields", () => {
  for (const header of [`01-${TRACE}-${SPAN}-01`, `cc-${TRACE}-${SPAN}-01-what-the-future-brings`])
    expect(readTraceparent(header)).toEqual({ traceID: TRACE, id: SPAN, sampled: true });
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
])("%j is not a valid traceparent", (traceparent) => {
  expect(readTraceparent(traceparent)).toBeUndefined();
});

test("traceparent headers are ignored if there are several", () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`;
  expect(readTraceparent([traceparent, traceparent])).toBeUndefined();
});

test("the traceparent of a call has its trace id, the first half of its id and the recorded flag", () => {
  const call = { requestID: TRACE, id: `${SPAN}aaaaaaaaaaaaaaaa` };
  expect(traceparentOf({ ...call, tracing: true })).toBe(`00-${TRACE}-${SPAN}-01`);
  expect(traceparentOf({ ...call, tracing: null })).toBe(`00-${TRACE}-${SPAN}-01`);
  expect(traceparentOf({ ...call, tracing: false })).toBe(`00-${TRACE}-${SPAN}-00`);
});

test("a UUID of a foreign node becomes a trace id without dashes; any other request id is ignored", () => {
  const id = "0AF76519-16cd-43dd-8448-eb211c80319c";
  expect(traceparentOf({ requestID: id, id })).toBe(`00-${TRACE}-0af7651916cd43dd-01`);
  expect(traceparentOf({ requestID: "their-own", id })).toBeUndefined();
});
