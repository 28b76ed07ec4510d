import type { Context, ServiceSchema } from "moleculer";
import type { Envelope } from "../../services/contracts.ts";
import type { TestDatabase } from "./database.ts";
import { waitFor } from "./wait-for.ts";

/** A Moleculer service that collects all `user.*` events in the order of delivery. */
export function collectEvents() {
  const received: Envelope[] = [];
  const schema: ServiceSchema = {
    name: "collector",
    events: { "user.**": (ctx: Context<Envelope>) => void received.push(ctx.params) },
  };
  return {
    schema,
    received,
    /** Waits until one user has at least `count` events, and returns them. */
    async of(userId: string, count: number): Promise<Envelope[]> {
      const events = () => received.filter((event) => event.userId === userId);
      await waitFor(() => events().length >= count);
      return events();
    },
  };
}

/** Waits until all committed events are published. */
export const outboxEmpty = ({ sql }: Pick<TestDatabase, "sql">, ms = 30_000): Promise<boolean> =>
  waitFor(async () => (await sql("SELECT 1 FROM outbox LIMIT 1")).length === 0, ms);
