import { setImmediate as nextTurn } from "node:timers/promises";
import { parseArgs } from "node:util";
import { demandParts } from "../../lib/config/config.ts";
import { objectStore } from "../../lib/object-store/object-store.ts";
import { closeDatabase, connectDatabase } from "../../lib/postgres/open-database.ts";
import type { TracedCall } from "../../lib/tracing/cause.ts";
import { migrateUp } from "../../migrations/migrate.ts";
import { avatarUrlOf } from "../../models/avatar-url.ts";
import { query } from "../../models/database.ts";
import { entriesOf, recordEntries } from "../../models/history.ts";
import { User, type UserRow } from "../../models/user.ts";
import type { Avatar } from "../../services/avatars/avatars.images.ts";
import { putAvatar } from "../../services/avatars/avatars.objects.ts";
import { keyOf } from "../../services/avatars/avatars.rules.ts";
import { progress } from "../progress.ts";
import { sampleAvatars } from "./avatars.ts";
import { people } from "./people.ts";

/**
 * `npm run seed -- [--users N] [--avatars N] [--seed N]`: fills the database that the service would use. It publishes
 * no events, as other services must not react to invented people. The people are the same each time, and existing ones
 * stay unchanged: a second run with more users adds the rest.
 */

const USAGE = "npm run seed -- [--users 1000] [--avatars 100] [--seed 1]";
const BATCH = 1_000;

const COLUMNS = Object.entries(User.getAttributes()) as [keyof UserRow, { field: string }][];
const fields = COLUMNS.map(([, { field }]) => field).join(", ");

/** One statement per batch: Sequelize's bulkCreate takes longer to build its SQL than PostgreSQL to execute it. */
const SEED = {
  name: "seed-users",
  text: `
    WITH created AS (
      INSERT INTO users (${fields})
      SELECT ${fields} FROM json_populate_recordset(NULL::users, $1) ON CONFLICT DO NOTHING
      RETURNING id, version, updated_at
    )
    ${recordEntries("created", "$2")}`,
};

/** The history says that a service created them, in no trace. */
const CALL: TracedCall = { id: "seed", requestID: null, meta: {} };

async function insertUsers(rows: UserRow[]): Promise<void> {
  const records = rows.map((row) =>
    Object.fromEntries(COLUMNS.map(([attribute, { field }]) => [field, row[attribute]])),
  );
  const entries = rows.flatMap((row) => entriesOf(CALL, {}, row));
  await query(SEED, [JSON.stringify(records), JSON.stringify(entries)]);
}

/** Stores an avatar for a person as an upload would, and returns the row with it. */
async function withAvatar(person: UserRow, avatar: Avatar): Promise<UserRow> {
  const avatarKey = keyOf(person.id, avatar);
  const avatarSize = await putAvatar(avatarKey, avatar);
  const avatarUrl = avatarUrlOf(person.id, avatar.hash);
  return { ...person, avatarKey, avatarSize, avatarUrl, storageUsed: person.storageUsed + avatarSize };
}

async function seed({ users, avatars, seed }: Record<"users" | "avatars" | "seed", number>): Promise<void> {
  const nextPerson = people(seed);
  const samples = avatars > 0 ? await sampleAvatars() : [];

  /** The next batch, starting at person number `from`. */
  const nextBatch = async (from: number): Promise<UserRow[]> => {
    await nextTurn(); // lets the insert of the last batch be sent first
    const batch = Array.from({ length: Math.min(BATCH, users - from) }, nextPerson);
    return Promise.all(
      batch.map((person, index) => {
        const avatar = from + index < avatars && samples[index % samples.length];
        return avatar ? withAvatar(person, avatar) : person;
      }),
    );
  };

  let rows = await nextBatch(0);
  for (let done = 0; rows.length > 0; ) {
    done += rows.length;
    [rows] = await Promise.all([nextBatch(done), insertUsers(rows)]);
    progress(`${done} of ${users} users`);
  }
}

const options = { users: { type: "string" }, avatars: { type: "string" }, seed: { type: "string" } } as const;
demandParts("database", "avatars");
try {
  const { values } = parseArgs({ options });
  const wanted = {
    users: Number(values.users ?? 1000),
    avatars: Number(values.avatars ?? 100),
    seed: Number(values.seed ?? 1),
  };
  if (!Object.values(wanted).every(Number.isSafeInteger))
    throw new Error("The options must be whole numbers");
  await migrateUp(await connectDatabase());
  await objectStore.prepare();
  const start = performance.now();
  await seed(wanted);
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `\n${wanted.users} users in ${seconds.toFixed(1)} s: ${Math.round(wanted.users / seconds)} a second`,
  );
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exitCode = 1;
} finally {
  await closeDatabase();
}
