import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Quota } from "../../services/stats/stats.contract.ts";
import { createUser } from "../helpers/people.ts";
import { request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 26 with random calls, events and expiries, many of them concurrent. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

type Reserve = { kind: "reserve"; amount: number; key?: number };
/** `of` is the index of a reservation. */
type End = { kind: "commit" | "release" | "expire" | "event" | "commit and event"; of: number };
type Step = Reserve | End;

const reserving: fc.Arbitrary<Reserve> = fc.record(
  {
    kind: fc.constant("reserve"),
    amount: fc.integer({ min: 1, max: 4 }),
    key: fc.nat({ max: 5 }),
  },
  { requiredKeys: ["kind", "amount"] },
);
const ending: fc.Arbitrary<End> = fc.record({
  kind: fc.constantFrom("commit", "release", "expire", "event", "commit and event"),
  of: fc.nat({ max: 30 }),
});
/** Rounds of concurrent steps. */
const rounds: fc.Arbitrary<Step[][]> = fc.array(
  fc.array(fc.oneof(reserving, ending), { minLength: 1, maxLength: 12 }),
  { minLength: 1, maxLength: 6 },
);

/** A user whose storage is limited, and the steps that were applied to the reservations. */
class Account {
  readonly made = new Map<string, number>();
  readonly committed = new Set<string>();
  readonly counted = new Set<string>();
  /** Reservations whose amount may be available again. */
  readonly freed = new Set<string>();

  readonly id: string;
  readonly limit: number;
  constructor(id: string, limit: number) {
    this.id = id;
    this.limit = limit;
  }

  async quota(): Promise<Quota> {
    return (await this.ask("GET", "/quotas")).body.storage as Quota;
  }

  ask(method: string, rest: string, body?: object, headers: object = {}) {
    const path = `/api/v1/users/${this.id}${rest}`;
    return request(service.url, { method, path, body, headers: { ...service.internal, ...headers } });
  }

  sumOf(fits: (id: string) => boolean): number {
    return [...this.made].filter(([id]) => fits(id)).reduce((sum, [, amount]) => sum + amount, 0);
  }

  async run(step: Step): Promise<void> {
    if (step.kind === "reserve") return this.reserve(step);
    const [id, amount] = [...this.made][step.of % Math.max(1, this.made.size)] ?? [];
    if (id === undefined || amount === undefined) return;
    if (step.kind === "commit" || step.kind === "commit and event")
      await Promise.all([this.commit(id), step.kind === "commit" || this.emit(id, amount)]);
    if (step.kind === "release") await this.release(id);
    if (step.kind === "expire") await this.expire(id);
    if (step.kind === "event") await this.emit(id, amount);
  }

  async reserve({ amount, key }: Reserve): Promise<void> {
    const headers = key === undefined ? {} : { "idempotency-key": `${this.id}-${key}-${amount}` };
    const wish = { resource: "storage", amount };
    const { status, body } = await this.ask("POST", "/quota/reservations", wish, headers);
    expect([201, 409]).toContain(status);
    if (status === 201) this.made.set(String(body.reservationId), amount);
  }

  async commit(id: string): Promise<void> {
    const { status } = await this.ask("POST", `/quota/reservations/${id}/commit`);
    expect([200, 409]).toContain(status);
    if (status === 200) this.committed.add(id);
  }

  async release(id: string): Promise<void> {
    this.freed.add(id);
    expect([200, 409]).toContain((await this.ask("DELETE", `/quota/reservations/${id}`)).status);
  }

  async expire(id: string): Promise<void> {
    this.freed.add(id);
    const text = "UPDATE quota_reservations SET expires_at = now() WHERE id = $1 AND state = 'open'";
    await service.database.sql(text, [id]);
  }

  async emit(id: string, fileSize: number): Promise<void> {
    this.counted.add(id);
    const data = { fileId: id, fileSize, reservationId: id };
    await service.broker.emit("media.uploaded", { eventType: "media.uploaded", userId: this.id, data });
  }

  /** Events may exceed the limit only if the amount of their reservation was available again. */
  async check(): Promise<Quota> {
    const quota = await this.quota();
    const { used, reserved, remaining } = quota;
    const beyond = this.sumOf((id) => this.counted.has(id) && this.freed.has(id));
    expect(used + reserved).toBeLessThanOrEqual(this.limit + beyond);
    expect(remaining).toBe(Math.max(0, this.limit - used - reserved));
    return quota;
  }

  async checkSums({ used, reserved }: Quota): Promise<void> {
    expect(used).toBe(this.sumOf((id) => this.counted.has(id) || this.committed.has(id)));
    const text =
      "SELECT id FROM quota_reservations WHERE user_id = $1 AND state = 'open' AND expires_at > now()";
    const open = new Set((await service.database.sql(text, [this.id])).map(({ id }) => id));
    expect(reserved).toBe(this.sumOf((id) => open.has(id)));
  }
}

test("for any mix of calls and events, used plus reserved stays within the limit, and each reservation is counted once", async () => {
  const play = async (limit: number, all: Step[][]) => {
    const account = new Account((await createUser(service)).id, limit);
    await account.ask("PATCH", "/quotas", { maxStorage: limit });
    for (const round of all) {
      await Promise.all([...round.map((step) => account.run(step)), account.check()]);
      await account.checkSums(await account.check());
    }
  };
  const numRuns = 20;
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 20 }), rounds, play), { numRuns });
}, 120_000);
