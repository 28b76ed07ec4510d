import type { UserRow } from "../../models/user.ts";

/** Answers with many users must fit into one Kafka message, because they may come from another node. */

/** In bytes. Kafka refuses a message above 1 MiB. */
const MAX = 900_000;
/** The maximum size of all fields of a user except the bio, in bytes. */
const MAX_OTHER_FIELDS = 3_000;

/** As many users of a list as certainly fit in one message. */
export function cutToOneMessage<Row extends Pick<UserRow, "bio">>(rows: Row[]): Row[] {
  let bytes = 0;
  const fits = ({ bio }: Row) => {
    bytes += MAX_OTHER_FIELDS + Buffer.byteLength(bio ?? "");
    return bytes <= MAX;
  };
  const end = rows.findIndex((row) => !fits(row));
  return end < 0 ? rows : rows.slice(0, end);
}

/** Whether a result fits in one message. JSON is longer than the serialized form. */
export const fitsOneMessage = (result: object): boolean => Buffer.byteLength(JSON.stringify(result)) <= MAX;
