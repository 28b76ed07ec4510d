import type { Context, ServiceSchema } from "moleculer";
import type { Envelope } from "../../services/contracts.ts";

/** In a service's process: answers each new user with an interview, and with an event that is not valid. */
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
