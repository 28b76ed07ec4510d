import { faultOf } from "./faults.ts";

/**
 * The outcome of sending records. A record in neither list was not sent or may not have arrived, and must be sent
 * again.
 */
export type Produced<Item> = {
  published: Item[];
  /** Refused for good, with the name of Kafka's error. */
  refused: { record: Item; fault: string }[];
  /** The error that ended the attempt early. */
  failure?: unknown;
};

/** Kafka refuses a batch above its message.max.bytes, 1 MiB by default. A few large dead letters reach it (measured). */
const BATCH_BYTES = 700_000;

/**
 * Sends the records of one partition in order. Kafka accepts or refuses a batch as a whole: a refused batch is halved
 * until the bad record is alone. Later records of the same key are then held back, so that the key's order is kept. N
 * records of which R are refused take at most about R × 2 log2(N) requests.
 *
 * @param send sends one batch to one partition, and resolves when Kafka has it
 * @param isLate whether the time for this attempt is over: asked before each batch but the first
 * @returns never rejects: an error that is not about one record is `failure`
 */
export async function sendInOrder<Item extends { key: string | null; value: string }>(
  records: Item[],
  send: (batch: Item[]) => Promise<unknown>,
  isLate: () => boolean,
): Promise<Produced<Item>> {
  const published: Item[] = [];
  const refused: Produced<Item>["refused"] = [];
  const refusedKeys = new Set<string | null>();
  const batches = inBatches(records);
  for (let first = true; batches.length > 0 && (first || !isLate()); first = false) {
    const batch = (batches.shift() ?? []).filter(({ key }) => !refusedKeys.has(key));
    const [record] = batch;
    if (!record) continue;
    try {
      await send(batch);
      published.push(...batch);
    } catch (error) {
      const { scope, name } = faultOf(error);
      if (scope !== "record") return { published, refused, failure: error };
      if (batch.length > 1) batches.unshift(...inHalves(batch));
      else refused.push({ record, fault: name });
      if (batch.length === 1 && record.key !== null) refusedKeys.add(record.key);
    }
  }
  return { published, refused };
}

/** Sends the records of several partitions: in order within a partition, the partitions in parallel. */
export async function sendByPartition<Item extends { key: string | null; value: string }>(
  records: Item[],
  partitionOf: (record: Item) => number,
  send: (partition: number, batch: Item[]) => Promise<unknown>,
  isLate: () => boolean,
): Promise<Produced<Item>> {
  const groups = [...Map.groupBy(records, partitionOf)];
  const parts = await Promise.all(
    groups.map(([partition, group]) => sendInOrder(group, (batch) => send(partition, batch), isLate)),
  );
  return {
    published: parts.flatMap(({ published }) => published),
    refused: parts.flatMap(({ refused }) => refused),
    failure: parts.find(({ failure }) => failure)?.failure,
  };
}

const inHalves = <Item>(batch: Item[]): Item[][] => {
  const middle = Math.ceil(batch.length / 2);
  return [batch.slice(0, middle), batch.slice(middle)];
};

/** Splits records, in order, into batches that Kafka accepts. A record above the limit is a batch of its own. */
function inBatches<Item extends { value: string }>(records: Item[]): Item[][] {
  const batches: Item[][] = [];
  let room = 0;
  for (const record of records) {
    const bytes = Buffer.byteLength(record.value);
    if (bytes >= room) {
      batches.push([]);
      room = BATCH_BYTES;
    }
    batches.at(-1)?.push(record);
    room -= bytes;
  }
  return batches;
}
