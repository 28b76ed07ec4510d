import { setTimeout as sleep } from "node:timers/promises";

/** Background work: opened once, retried until it succeeds, or repeated. */

/** Opens on first use and shares the result. A failure is not kept: the next use retries. */
export function openOnce<Value>(open: () => Promise<Value>) {
  let opened: Promise<Value> | undefined;
  return {
    get(): Promise<Value> {
      opened ??= open();
      opened.catch(() => {
        opened = undefined;
      });
      return opened;
    },
    /** The value if it is open, without opening it. */
    ifOpen: (): Promise<Value | undefined> => (opened ?? Promise.resolve(undefined)).catch(() => undefined),
  };
}

/** Exponential back-off: `first` ms after the first failure, doubled each time, at most `last` ms. */
type Backoff = { first: number; last: number };

export const backoffDelay = ({ first, last }: Backoff, failures: number): number =>
  Math.min(first * 2 ** failures, last);

/** Sleeps for `ms`, or until `signal` aborts. Never rejects and never keeps the process alive. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal, ref: false }).catch(() => {});

/** The result of `work`, or undefined if it is not there within `ms`: then its outcome is ignored. */
export async function within<Result>(ms: number, work: Promise<Result>): Promise<Result | undefined> {
  const late = Promise.withResolvers<Result | undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

/** The result of `work`, or undefined once `signal` aborts: then its outcome is ignored. */
export async function until<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result | undefined> {
  const over = Promise.withResolvers<undefined>();
  const onAbort = () => over.resolve(undefined);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  return Promise.race([work, over.promise]).finally(() => signal.removeEventListener("abort", onAbort));
}

/** Retries `work` with back-off until it succeeds. Resolves with undefined if `signal` aborts first. */
export async function retryUntilDone<Result>(
  work: () => Promise<Result>,
  options: { backoff: Backoff; signal: AbortSignal; onError(error: unknown): void },
): Promise<Result | undefined> {
  const { backoff, signal, onError } = options;
  for (let failures = 0; !signal.aborted; failures++)
    try {
      return await work();
    } catch (error) {
      onError(error);
      await pause(backoffDelay(backoff, failures), signal);
    }
  return undefined;
}

/** In ms. A failed run is repeated after this time at the latest: what it needs may be there by then. */
const FAILED_RUN = 60_000;

/**
 * Runs `work` now, and again `everyMs` after each run has ended, until `signal` aborts: it never overlaps itself. A
 * failed run is reported, and the next one still runs, within a minute. Resolves after the last run.
 */
export async function repeat(
  work: () => Promise<unknown>,
  options: { everyMs: number; signal: AbortSignal; onError(error: unknown): void },
): Promise<void> {
  const { everyMs, signal, onError } = options;
  while (!signal.aborted) {
    const isDone = await work().then(
      () => true,
      (error: unknown) => {
        onError(error);
        return false;
      },
    );
    await pause(isDone ? everyMs : Math.min(everyMs, FAILED_RUN), signal);
  }
}
