import type { Context, ServiceSchema } from "moleculer";
import type { Envelope } from "../../services/contracts.ts";

/** Runs in a service's process: emits an interview and an invalid event for each new user. */
const NeighbourService: ServiceSchema = {
  name: "neighbour",
  events: {
    async "user.created"(ctx: Context<Envelope>) {
      const { userId, eventId } = ctx.params;
      const data = { interviewId: eventId, candidate: "Zzsecret Candidate" };
      await ctx.emit("interview.created", { eventType: "interview.created", userId, data });
      await ctx.emit("media.uploaded", { eventType: "media.uploaded", userId, data });
    },
  },
};

export default NeighbourService;
