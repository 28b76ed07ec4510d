import type { Context, ServiceBroker, ServiceSchema } from "moleculer";
import type { ActionError, ConsumedEvents, Envelope, NativeEvents, User } from "user-service/contracts";
import { call } from "user-service/contracts";

/** A service of another project that uses ours. */
export const GreeterService: ServiceSchema = {
  name: "greeter",
  events: {
    async "user.created"(ctx: Context<Envelope<"user.created">>): Promise<void> {
      const { userId, data } = ctx.params;
      const { profile } = await call(ctx, "users.get", { id: userId });
      console.log(`Welcome, ${data.fullName} of ${profile.companyName ?? "nowhere"}`);
    },
    async "user.erased"(ctx: Context<Envelope<"user.erased">>): Promise<void> {
      const { erasureId } = ctx.params.data;
      const answer: NativeEvents["erasure.completed"] = { erasureId, service: "greeter" };
      await ctx.emit("erasure.completed", answer);
    },
  },
};

export const findUser = (broker: ServiceBroker, id: string): Promise<User | undefined> =>
  call(broker, "users.get", { id }, { timeout: 1_000 }).catch((error: ActionError) => {
    if (error.type === "USER_NOT_FOUND") return undefined;
    if (error.type === "VALIDATION_ERROR") throw new Error(error.data.map(({ field }) => field).join());
    throw error;
  });

export const uploaded: ConsumedEvents["media.uploaded"] = { fileId: "file-1", fileSize: 1024 };

export function emitUploaded(broker: ServiceBroker, userId: string): Promise<unknown> {
  const bare: NativeEvents["media.uploaded"] = { userId, ...uploaded };
  const envelope: NativeEvents["media.uploaded"] = { eventId: "event-1", userId, data: uploaded };
  return Promise.all([bare, envelope].map((event) => broker.emit("media.uploaded", event)));
}
