import { DependencyUnavailable } from "../../lib/contract/errors.ts";

/** Queues for uploads: a few run at once, and a bounded number wait, in order of arrival. */

export type Limits = {
  /** The sum of the weights of the work that runs at once. */
  slots: number;
  /** The maximum number that wait. */
  waiting: number;
};

/**
 * `weight`: the number of slots that the work takes, 1 by default and all at most. `signal`: the caller leaves the
 * queue.
 */
export type Place = { weight?: number; signal?: AbortSignal };

type Waiter = { weight: number; start(): void };

/** It has no time limit: each piece of work must end by itself. */
export class WorkQueue {
  readonly #limits: Limits;
  #free: number;
  #waiters: Waiter[] = [];

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#free = limits.slots;
  }

  /** Whether nothing runs or waits. */
  get isIdle(): boolean {
    return this.#free === this.#limits.slots && this.#waiters.length === 0;
  }

  /**
   * Runs `work` when it is its turn. Running work is not interrupted.
   * @throws DependencyUnavailable if too many wait or if `signal` aborts before the work starts; what `work` throws
   */
  async run<Result>(work: () => Promise<Result>, { weight = 1, signal }: Place = {}): Promise<Result> {
    await this.#enter(weight, signal);
    try {
      return await work();
    } finally {
      this.#free += weight;
      this.#startNext();
    }
  }

  #enter(weight: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal?.removeEventListener("abort", leave);
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(tooMany());
        this.#startNext(); // those behind it may need fewer slots
      };
      const waiter: Waiter = {
        weight,
        start: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      if (signal?.aborted) return reject(tooMany());
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
      this.#startNext();
      if (this.#waiters.length > this.#limits.waiting) leave(); // the new one, if it still waits
    });
  }

  /** Never skips the first that waits: it would starve if lighter work kept arriving. */
  #startNext(): void {
    for (let [next] = this.#waiters; next && next.weight <= this.#free; [next] = this.#waiters) {
      this.#waiters.shift();
      this.#free -= next.weight;
      next.start();
    }
  }
}

const tooMany = () =>
  new DependencyUnavailable("avatars service", "Too many avatars are uploaded at once: try again later");

/** A queue per key, such as a user's id, which exists while it has work. */
export class KeyedQueues {
  readonly #limits: Limits;
  readonly #queues = new Map<string, WorkQueue>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The number of keys with work. */
  get size(): number {
    return this.#queues.size;
  }

  /** Like WorkQueue.run, in the queue of the key. */
  async run<Result>(key: string, work: () => Promise<Result>, place?: Place): Promise<Result> {
    const queue = this.#queues.get(key) ?? new WorkQueue(this.#limits);
    this.#queues.set(key, queue);
    try {
      return await queue.run(work, place);
    } finally {
      if (queue.isIdle) this.#queues.delete(key);
    }
  }
}
