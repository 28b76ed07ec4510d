/** An error as kafkajs throws it. */
export const kafkaError = (type: string, retriable: boolean): Error =>
  Object.assign(new Error(type), { name: "KafkaJSProtocolError", type, retriable });

export const wrapped = (cause: Error): Error =>
  Object.assign(new Error(cause.message, { cause }), { name: "KafkaJSNumberOfRetriesExceeded" });

/** The fate of a request, apart from refusals: it succeeds, it is lost, or its response is lost. */
export type Weather = "passes" | "is lost" | "arrives, but its answer is lost";

type Record = { id: number; key: string | null };

/**
 * Kafka's behaviour toward the relay: it accepts a whole request, or refuses it if one of its records is bad.
 * `weather` lists the fates of the next requests; later ones succeed.
 */
export function createFakeKafka(isBad: (id: number) => boolean, weather: Weather[] = []) {
  const taken: Record[] = [];
  let requests = 0;
  return {
    taken,
    requests: () => requests,
    partitionOf: ({ id, key }: Record) => (key === null ? id : key.charCodeAt(0)) % 3,
    async send(_partition: number, batch: Record[]): Promise<void> {
      requests++;
      const now = weather.shift() ?? "passes";
      if (now === "is lost") throw wrapped(kafkaError("REQUEST_TIMED_OUT", true));
      if (batch.some(({ id }) => isBad(id))) throw kafkaError("MESSAGE_TOO_LARGE", false);
      taken.push(...batch);
      if (now !== "passes")
        throw Object.assign(new Error("Closed"), { name: "KafkaJSConnectionClosedError" });
    },
  };
}
