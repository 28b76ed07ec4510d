import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from "kafkajs";
import { brokers } from "../helpers/neighbour.ts";
import { type ServiceProcess, spawnService } from "../helpers/process.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** A node whose user has only the rights that docs/kafka.md lists, on a real Kafka with an authorizer. */

const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
const NAMESPACE = `e2e-${crypto.randomUUID().slice(0, 8)}`;
const PREFIX = `MOL-${NAMESPACE}.`;
let node: ServiceProcess;

beforeAll(async () => {
  await admin.connect();
  node = await spawnService({
    NAMESPACE,
    NODEID: "a",
    SERVICES: "api",
    LOG_LEVEL: "warn",
    KAFKA_BROKERS: process.env.KAFKA_SASL_BROKERS ?? "",
    KAFKA_SASL_MECHANISM: "plain",
    KAFKA_SASL_USERNAME: "users",
    KAFKA_SASL_PASSWORD: "users",
  });
});
afterAll(async () => {
  await node?.remove();
  await admin.deleteAcls({ filters: [{ ...rule, operation: AclOperationTypes.ANY }] });
  const left = (await admin.listTopics()).filter((topic) => topic.startsWith(PREFIX));
  if (left.length > 0) await admin.deleteTopics({ topics: left });
  await admin.disconnect();
});

const rule = {
  resourceType: AclResourceTypes.TOPIC,
  resourceName: PREFIX,
  resourcePatternType: ResourcePatternTypes.PREFIXED,
  principal: "User:users",
  host: "*",
  permissionType: AclPermissionTypes.ALLOW,
};

const { READ, WRITE, DESCRIBE } = AclOperationTypes;

/** The rights that the node reports as denied. */
async function denied(): Promise<string[]> {
  const answer = await fetch(`${node.url}/health`).then((response) => response.json());
  return (answer as { kafka: { denied?: string[] } }).kafka.denied ?? [];
}

/** The commands that the log recommends, for topics whose creation is denied. */
const recommended = () => [
  ...new Set(
    [...node.printed().matchAll(/kafka-topics\.sh --create --topic (\S+) /g)].map(([, topic]) => topic),
  ),
];

test("a node that cannot create topics logs the command for each; once they exist, one prefixed rule is enough", async () => {
  const topic = `${PREFIX}REQ.a`;
  await waitFor(
    async () => (await denied().catch((): string[] => [])).includes(`CREATE on topic ${topic}`),
    60_000,
  );
  expect(recommended()).toHaveLength(12);

  await admin.createAcls({ acl: [READ, WRITE, DESCRIBE].map((operation) => ({ ...rule, operation })) });
  await admin.createTopics({ topics: recommended().map((name = "") => ({ topic: name, numPartitions: 1 })) });
  await waitFor(async () => (await denied()).length === 0, 30_000);

  await admin.deleteAcls({ filters: [{ ...rule, operation: READ }] });
  await waitFor(async () => (await denied()).includes(`READ on topics ${PREFIX}*`), 30_000);
  await admin.createAcls({ acl: [{ ...rule, operation: READ }] });
  await waitFor(async () => (await denied()).length === 0, 30_000);
}, 180_000);
