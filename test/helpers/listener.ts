import type { Context, ServiceSchema } from "moleculer";
import type { Envelope, Events } from "../../services/contracts.ts";
import type { TestService } from "./service.ts";
import { waitFor } from "./wait-for.ts";

/** A Moleculer service that listens to `user.*` events and keeps them. */
export function createListener() {
  let received: Envelope[] = [];
  const schema: ServiceSchema = {
    name: "listener",
    events: { "user.**": (ctx: Context<Envelope>) => void received.push(ctx.params) },
  };
  return {
    schema,
    /**
     * The events of a user since the last call, as [type, data]. Waits until the outbox has none left, so that
     * a test finds missing events as well as unexpected ones.
     */
    async eventsOf({ database }: TestService, userId: string): Promise<[keyof Events, unknown][]> {
      await waitFor(async () => {
        const waiting = await database.sql("SELECT 1 FROM outbox WHERE key = $1", [userId]);
        return waiting.length === 0;
      });
      const events = received.filter((event) => event.userId === userId);
      received = received.filter((event) => event.userId !== userId);
      return events.map(({ eventType, data }) => [eventType, data]);
    },
  };
}

export type Listener = ReturnType<typeof createListener>;
