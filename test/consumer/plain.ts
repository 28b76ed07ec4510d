import { type ActionError, type Actions, call, type Envelope } from "user-service/contracts";

/** A project without Moleculer, which declares the type of the broker itself. */
declare const broker: { call(action: string, params?: object, options?: object): Promise<object> };

export const nameOf = async (id: string): Promise<string> =>
  (await call(broker, "users.get", { id }, { timeout: 1_000 })).profile.fullName;

export const handled = (event: Envelope<"user.created">): string => event.data.email;
export const sizeOf = async (image: Actions["avatars.get"]["result"]): Promise<number> => {
  let size = 0;
  if (image) for await (const chunk of image) size += chunk.length;
  return size;
};
export const dependencyOf = (error: ActionError): string | undefined =>
  error.type === "DEPENDENCY_UNAVAILABLE" ? error.data.dependency : undefined;
