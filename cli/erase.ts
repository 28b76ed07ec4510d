import { config, type KafkaConfig } from "../lib/config/config.ts";
import { call } from "../lib/contract/call.ts";
import { openAdmin } from "../lib/kafka/admin.ts";
import { allTopics } from "../services/contracts.ts";
import type { Inventory } from "../services/users/users.contract.ts";
import { asOperator } from "./operator.ts";

/**
 * `npm run erase -- ID` erases a user at once; with `--dry-run` it changes nothing and prints what is stored where, and
 * until when (contract 25).
 */
await asOperator("erase", async (broker, meta) => {
  const [id, option, ...more] = process.argv.slice(2);
  if (!id || (option && option !== "--dry-run") || more.length > 0)
    throw new Error("Usage: erase ID [--dry-run]");
  if (option) {
    for (const line of linesOf(await call(broker, "users.inventory", { id }, { meta }))) console.log(line);
    for (const line of await topicLines(config.kafka)) console.log(line);
    return;
  }
  const { erasureId, missing } = await call(broker, "users.eraseNow", { id }, { meta });
  console.log(`Erased: erasure ${erasureId}`);
  if (missing.length > 0) console.log(`Must still answer: ${missing.join(", ")}`);
});

function linesOf(inventory: Inventory): string[] {
  const { erasure, hold, fields, historyEntries, outboxRecords, deadLetters, storedAnswers } = inventory;
  const { identities, identityHints } = inventory;
  return [
    `Erasure: ${erasure ? `${erasure.status}, due ${erasure.dueAt}` : "not requested"}`,
    `Legal hold: ${hold ? `since ${hold.since}: ${hold.reason}` : "none"}`,
    `Row of the user: ${fields.length > 0 ? fields.join(", ") : "erased"}`,
    `History: ${historyEntries} entries; an erasure keeps who, when and which field`,
    `Outbox: ${outboxRecords} records, until Kafka has them`,
    `Dead letters: ${deadLetters}, until they are discarded`,
    `Identity: ${identities} rows with what is known from Keycloak, and ${identityHints} hints of changes there`,
    `Stored answers: ${storedAnswers}, for 24 hours`,
  ];
}

/** An erasure does not reach what was published: it is deleted with its topic's records. */
async function topicLines(kafka: KafkaConfig | undefined): Promise<string[]> {
  if (!kafka) return ["Kafka: none"];
  const admin = openAdmin(kafka, console.error);
  try {
    const kept = await admin.retention(allTopics(config.keycloakTopics));
    return kept.map(
      ({ topic, ms }) => `Kafka topic ${topic}: ${ms < 0 ? "for ever" : `${ms / 3_600_000} hours`}`,
    );
  } finally {
    await admin.close();
  }
}
