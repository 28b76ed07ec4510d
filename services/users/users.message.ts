import type { UserRow } from "../../models/user.ts";

/** Answers with many users must fit into one Kafka message, as they may come from another node. */

/** Kafka refuses a message above 1 MiB; in bytes. */
const MAX = 900_000;
/** What all fields of a user but the bio take at most, in bytes. */
const MAX_OTHER_FIELDS = 3_000;

/** As many users of a list as one message holds for certain. */
export function cutToOneMessage<Row extends Pick<UserRow, "bio">>(rows: Row[]): Row[] {
  let bytes = 0;
  const fits = ({ bio }: Row) => {
    bytes += MAX_OTHER_FIELDS + Buffer.byteLength(bio ?? "");
    return bytes <= MAX;
  };
  const end = rows.findIndex((row) => !fits(row));
  return end < 0 ? rows : rows.slice(0, end);
}

/** Whether one message holds a result. JSON is longer than what is sent. */
export const fitsOneMessage = (result: object): boolean => Buffer.byteLength(JSON.stringify(result)) <= MAX;
