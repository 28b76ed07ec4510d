import type { ServiceBroker } from "moleculer";
import type { ActionError, Envelope, NativeEvents } from "user-service/contracts";
import { call } from "user-service/contracts";

/** Mistakes that must not compile. */
export async function mistakes(broker: ServiceBroker, event: Envelope<"user.deleted">, error: ActionError) {
  // @ts-expect-error: there is no such action
  await call(broker, "users.fetch", { id: "1" });
  // @ts-expect-error: an action that other projects may not call
  await call(broker, "stats.apply", { events: [] });
  // @ts-expect-error: a wrong name of a param
  await call(broker, "users.get", { userId: "1" });
  // @ts-expect-error: a wrong type of a param
  await call(broker, "stats.setQuotas", { id: "1", maxInterviews: "many" });
  // @ts-expect-error: a param is missing
  await call(broker, "users.changeEmail", { id: "1" });
  // @ts-expect-error: a field that the result does not have
  (await call(broker, "users.get", { id: "1" })).password;
  // @ts-expect-error: a field of another event
  event.data.avatarUrl;
  // @ts-expect-error: an event without its user
  broker.emit("media.uploaded", { fileId: "1", fileSize: 1 } satisfies NativeEvents["media.uploaded"]);
  // @ts-expect-error: an answer without its service
  broker.emit("erasure.completed", { erasureId: "1" } satisfies NativeEvents["erasure.completed"]);
  // @ts-expect-error: there is no such error
  return error.type === "USER_AWAY";
}
