import type { Admin } from "kafkajs";
import type { KafkaConfig } from "../config/config.ts";
import { openOnce, within } from "../runtime/tasks.ts";
import { CLOSE_WITHIN, connected, loadClient, SHORT_RETRY, type Warn } from "./client.ts";
import { createCommand, denialIn, noteRight, withRight } from "./rights.ts";

export type TopicAdmin = {
  /** Creates the missing topics. Those that it has no right to create are reported and left out. */
  create(topics: string[]): Promise<void>;
  /** How many records the group has not consumed yet, by topic and partition. */
  lag(topics: string[]): Promise<{ topic: string; partition: number; records: number }[]>;
  /** For how many ms each topic keeps its records; -1 is for ever. */
  retention(topics: string[]): Promise<{ topic: string; ms: number }[]>;
  /** Whether Kafka answers within 1 s. */
  check(): Promise<boolean>;
  close(): Promise<void>;
};

const PARTITIONS = 3;

/**
 * How often a service creates missing topics that it uses, in ms. A deleted topic is recreated before records for it
 * are set aside (relay.rules.ts), and Kafka may refuse the consumer its other topics while one is missing.
 */
export const CREATE_TOPICS_EVERY = 10_000;

/** In ms. */
const CHECK_WITHIN = 1_000;

/** Connects on first use. */
export function openAdmin(config: KafkaConfig, warn: Warn): TopicAdmin {
  const admin = openOnce(async () =>
    connected((await loadClient(config, warn)).admin({ retry: SHORT_RETRY })),
  );
  /** The question that is not answered yet: all checks of a time share it. */
  let asked: Promise<boolean> | undefined;
  const ask = () =>
    admin
      .get()
      .then((client) => client.describeCluster())
      .then(
        () => true,
        () => false,
      );
  return {
    async create(topics) {
      // a new client: kafkajs (2.2) cannot even list topics if one that the client used was deleted
      const kafka = await loadClient(config, () => {}); // its line on a refusal has no cause; ours has
      const client = await connected(kafka.admin({ retry: SHORT_RETRY }));
      try {
        const existing = await client.listTopics();
        const missing = topics.filter((topic) => !existing.includes(topic));
        for (const topic of topics) if (existing.includes(topic)) noteRight(creating(topic), undefined, warn); // not needed
        await Promise.all(missing.map((topic) => createTopic(client, topic, warn)));
      } finally {
        await client.disconnect();
      }
    },

    async lag(topics) {
      const client = await admin.get();
      const committed = await client.fetchOffsets({ groupId: config.groupId, topics });
      const perTopic = committed.map(async ({ topic, partitions }) => {
        const ends = await client.fetchTopicOffsets(topic);
        return ends.map(({ partition, low, high }) => {
          const next = Number(partitions.find((one) => one.partition === partition)?.offset ?? -1);
          return { topic, partition, records: Number(high) - Math.max(next, Number(low)) };
        });
      });
      return (await Promise.all(perTopic)).flat();
    },

    async retention(topics) {
      const type = 2; // a topic; kafkajs is loaded only if it is needed
      const resources = topics.map((name) => ({ type, name, configNames: ["retention.ms"] }));
      const described = await (await admin.get()).describeConfigs({ resources, includeSynonyms: false });
      return described.resources.map(({ resourceName, configEntries }) => ({
        topic: resourceName,
        ms: Number(configEntries.find(({ configName }) => configName === "retention.ms")?.configValue),
      }));
    },

    async check() {
      asked ??= ask().finally(() => {
        asked = undefined;
      });
      return (await within(CHECK_WITHIN, asked)) ?? false;
    },

    async close() {
      const closed = admin.ifOpen().then((client) => client?.disconnect());
      await within(CLOSE_WITHIN, closed);
    },
  };
}

const creating = (topic: string): string => `CREATE on topic ${topic}`;

async function createTopic(client: Admin, topic: string, warn: Warn): Promise<void> {
  const topics = [{ topic, numPartitions: PARTITIONS, replicationFactor: -1 }];
  const create = () => client.createTopics({ topics, waitForLeaders: true });
  const remedy = `run ${createCommand(topic, PARTITIONS)}`;
  await withRight(creating(topic), warn, create, remedy).catch((error) => {
    if (!denialIn(error)) throw error;
  });
}
