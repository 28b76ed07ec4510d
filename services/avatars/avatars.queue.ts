import { DependencyUnavailable } from "../../lib/contract/errors.ts";

/** Queues for uploads: a few run at once, a bounded number wait, in the order of arrival. */

export type Limits = {
  /** How much work runs at once, as the sum of its weights. */
  slots: number;
  /** How many wait at most. */
  waiting: number;
};

/** `weight`: how many slots the work takes, 1 by default and at most all. `signal`: its caller leaves the queue. */
export type Place = { weight?: number; signal?: AbortSignal };

type Waiter = { weight: number; start(): void };

/** It has no time limits of its own: each work must end by itself. */
export class WorkQueue {
  readonly #limits: Limits;
  #free: number;
  #waiters: Waiter[] = [];

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#free = limits.slots;
  }

  /** Whether nothing runs and nothing waits. */
  get isIdle(): boolean {
    return this.#free === this.#limits.slots && this.#waiters.length === 0;
  }

  /**
   * Runs `work` when its turn has come. Work that runs is not interrupted.
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
      if (this.#waiters.length > this.#limits.waiting) leave(); // it is the last one, and still waits
    });
  }

  /** Never past the first that waits: it would wait for ever if lighter work kept coming. */
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

/** A queue for each key, such as a user's id, as long as there is work for it. */
export class KeyedQueues {
  readonly #limits: Limits;
  readonly #queues = new Map<string, WorkQueue>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** How many keys have work. */
  get size(): number {
    return this.#queues.size;
  }

  /** As WorkQueue.run, among the work of the same key. */
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
