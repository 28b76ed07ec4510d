import type { UserRow } from "../../models/user.ts";

/** Answers with many users or entries must fit into one Kafka message, because they may come from another node. */

/** In bytes. Kafka refuses a message above 1 MiB. */
const MAX = 900_000;
/** The maximum size of all fields of a user except the bio, in bytes. */
const MAX_OTHER_FIELDS = 3_000;

/** The most that a user can take in a message, in bytes. */
export const sizeOfUser = ({ bio }: Pick<UserRow, "bio">): number =>
  MAX_OTHER_FIELDS + Buffer.byteLength(bio ?? "");

/**
 * As many items of a list as certainly fit in one message.
 * @param sizeOf the size of one in bytes
 */
export function cutToOneMessage<Item>(items: Item[], sizeOf: (item: Item) => number): Item[] {
  let bytes = 0;
  const end = items.findIndex((item) => {
    bytes += sizeOf(item);
    return bytes > MAX;
  });
  return end < 0 ? items : items.slice(0, end);
}

/** Whether a result fits in one message. JSON is longer than the serialized form. */
export const fitsOneMessage = (result: object): boolean => Buffer.byteLength(JSON.stringify(result)) <= MAX;
