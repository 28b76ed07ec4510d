import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { KeyedQueues, WorkQueue } from "../../services/avatars/avatars.queue.ts";

const refused = expect.objectContaining({ type: "DEPENDENCY_UNAVAILABLE", code: 503 });
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

/** Arrives after `arrives` turns of the event loop, works for `works` turns, and gives up after `leaves` turns. */
type Visitor = {
  arrives: number;
  works: number;
  leaves?: number;
  fails: boolean;
  weight: number;
  key: number;
};

const visitors = fc.array(
  fc.record<Visitor>({
    arrives: fc.nat(6),
    works: fc.nat(4),
    leaves: fc.option(fc.nat(6), { nil: undefined }),
    fails: fc.boolean(),
    weight: fc.integer({ min: 1, max: 2 }),
    key: fc.nat(2),
  }),
  { maxLength: 25 },
);

type Run = (visitor: Visitor, work: () => Promise<number>, signal: AbortSignal) => Promise<number>;

/** Sends all visitors through a queue; returns which ran, and the outcome of each. */
async function visit(run: Run, all: Visitor[], onRunning: (running: Visitor[]) => void) {
  const running = new Set<Visitor>();
  const started: number[] = [];
  const outcomes = all.map(async (visitor, index) => {
    await turns(visitor.arrives);
    const left = new AbortController();
    if (visitor.leaves !== undefined) void turns(visitor.leaves).then(() => left.abort());
    const work = async () => {
      started.push(index);
      running.add(visitor);
      onRunning([...running]);
      await turns(visitor.works);
      running.delete(visitor);
      if (visitor.fails) throw new Error(`failure ${index}`);
      return index;
    };
    return run(visitor, work, left.signal);
  });
  return { outcomes: await Promise.allSettled(outcomes), started };
}

/** Each visitor gets the outcome of its own work if that started, otherwise 503. No work runs twice. */
function expectOwnOutcomes(all: Visitor[], { outcomes, started }: Awaited<ReturnType<typeof visit>>): void {
  expect(new Set(started).size).toBe(started.length);
  const expected = all.map(({ fails }, index) => {
    if (!started.includes(index)) return { status: "rejected", reason: refused };
    return fails
      ? { status: "rejected", reason: new Error(`failure ${index}`) }
      : { status: "fulfilled", value: index };
  });
  expect(outcomes).toEqual(expected);
}

test("a queue never exceeds its slots, returns to each caller the outcome of its own work, and is idle afterwards", () =>
  fc.assert(
    fc.asyncProperty(visitors, fc.integer({ min: 2, max: 3 }), fc.nat(5), async (all, slots, waiting) => {
      const queue = new WorkQueue({ slots, waiting });
      const weights = (running: Visitor[]) => running.reduce((sum, { weight }) => sum + weight, 0);
      const result = await visit(
        ({ weight }, work, signal) => queue.run(work, { weight, signal }),
        all,
        (running) => expect(weights(running)).toBeLessThanOrEqual(slots),
      );
      expectOwnOutcomes(all, result);
      expect(queue.isIdle).toBe(true);
    }),
  ));

test("keyed queues run one job per key at a time, and keep no memory of an idle key", () =>
  fc.assert(
    fc.asyncProperty(visitors, async (all) => {
      const queues = new KeyedQueues({ slots: 1, waiting: 3 });
      const result = await visit(
        ({ key }, work, signal) => queues.run(String(key), work, { signal }),
        all,
        (running) => expect(new Set(running.map(({ key }) => key)).size).toBe(running.length),
      );
      expectOwnOutcomes(all, result);
      expect(queues.size).toBe(0);
    }),
  ));

test("jobs run in the order of arrival, heavy ones too", () =>
  fc.assert(
    fc.asyncProperty(visitors, async (all) => {
      const queue = new WorkQueue({ slots: 2, waiting: all.length });
      const staying = all.map((visitor) => ({ ...visitor, arrives: 0, leaves: undefined }));
      const run: Run = ({ weight }, work, signal) => queue.run(work, { weight, signal });
      const { started } = await visit(run, staying, () => {});
      expect(started).toEqual(staying.map((_, index) => index));
    }),
  ));

test("a caller that gives up frees its place in a full queue at once", async () => {
  const queue = new WorkQueue({ slots: 1, waiting: 1 });
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const first = queue.run(() => end);
  const left = new AbortController();
  const second = queue.run(async () => "second", { signal: left.signal });
  await expect(queue.run(async () => "refused")).rejects.toEqual(refused);
  left.abort();
  const third = queue.run(async () => "third");
  resolve();
  await first;
  await expect(second).rejects.toEqual(refused);
  await expect(third).resolves.toBe("third");
});
