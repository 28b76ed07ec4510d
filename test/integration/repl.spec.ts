import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import type { ServiceBroker } from "moleculer";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { createUser } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

type Command = {
  command: string;
  action(broker: ServiceBroker, args: Record<string, string>): Promise<void>;
};

let service: TestService;
let commands: Command[];
beforeAll(async () => {
  service = await startService();
  const { REPL_OPTIONS } = await import("../../cli/repl.commands.ts");
  commands = REPL_OPTIONS.customCommands as unknown as Command[];
});
afterAll(() => service.stop());

const printed: unknown[] = [];
for (const method of ["log", "dir", "table", "error"] as const)
  jest.spyOn(console, method).mockImplementation((first: unknown) => void printed.push(first));

/** Types a line. Returns its output. */
async function type(rawCommand: string, args: Record<string, string> = {}): Promise<unknown[]> {
  printed.length = 0;
  const [word] = rawCommand.split(" ");
  const command = commands.find((one) => one.command.split(" ")[0] === word);
  await command?.action(service.broker, { rawCommand, ...args });
  return [...printed];
}

test("user shows a user by id and by e-mail, and prints one line for an unknown user", async () => {
  const { id, email } = await createUser(service);
  const [byId] = await type("user", { who: id });
  expect(byId).toMatchObject({ id, email });
  expect(await type("user", { who: email })).toEqual([byId]);
  expect(await type("user", { who: "nobody@example.com" })).toEqual([expect.stringContaining("not found")]);
});

test("history shows the latest changes of a user by id and by e-mail, and prints one line for an unknown user", async () => {
  const { id, email, headers } = await createUser(service);
  await service.http
    .patch(`/api/v1/users/${id}`)
    .set(headers)
    .send({ profile: { bio: "new" } })
    .expect(200);
  const [byId] = await type("history", { who: id });
  expect(byId).toMatchObject([
    { version: 2, by: { kind: "user" }, changes: { bio: { from: null, to: "new" } } },
    { version: 1, changes: { email: { from: null, to: email } } },
  ]);
  expect(await type("history", { who: email })).toEqual([byId]);
  expect(await type("history", { who: crypto.randomUUID() })).toEqual([expect.stringContaining("not found")]);
});

test("erasure shows the stored data of a user, also of a deleted one", async () => {
  const { id } = await createUser(service);
  await service.http.delete(`/api/v1/users/${id}`).set(service.internal).expect(200);
  const [inventory] = await type("erasure", { id });
  expect(inventory).toMatchObject({ erasure: null, hold: null, fields: ["keycloakId", "email", "fullName"] });
});

test("watch shows the whole envelope of each event when it arrives", async () => {
  await type("watch", { event: "user.created" });
  await service.broker.waitForServices("watch");
  const { id } = await createUser(service);
  const envelope = await waitFor(() => printed.find((one) => (one as { userId?: string }).userId === id));
  expect(envelope).toMatchObject({ eventType: "user.created", data: { fullName: expect.any(String) } });
});

test("outbox shows the number of waiting records and of those set aside", async () => {
  expect(await type("outbox")).toEqual([
    expect.stringMatching(/^\d+ wait, the oldest for [\d.]+ s; 0 are set aside$/),
  ]);
});

test("outbox lists, retries and discards records that are set aside, and names ids that are not", async () => {
  expect(await type("outbox list")).toEqual(["No record is set aside"]);
  const { id: userId } = await createUser(service);
  const value = { eventType: "user.updated", userId, metadata: { correlationId: "c" } };
  const rows = await service.database.sql<{ id: string }>(
    `INSERT INTO outbox (topic, key, value, set_aside_at, fault)
     SELECT 'user-events', $1, $2, now(), 'MESSAGE_TOO_LARGE' FROM generate_series(1, 4) RETURNING id`,
    [userId, JSON.stringify(value)],
  );
  const [first, second] = rows.map(({ id }) => Number(id));
  const [listed] = await type("outbox list");
  expect(listed).toHaveLength(4);
  expect(listed).toContainEqual(expect.objectContaining({ id: first, fault: "MESSAGE_TOO_LARGE" }));
  expect(await type(`outbox discard ${first} 999999`)).toEqual([
    `Discarded: ${first}`,
    "Not set aside: 999999",
  ]);
  expect(await type(`outbox retry ${second}`)).toEqual([`To be published again: ${second}`]);
  expect(await type("outbox discard all")).toEqual(["Discarded: 2 records"]);
  await outboxEmpty(service.database);
  expect(await type("outbox retry all")).toEqual(["To be published again: 0 records"]);
  for (const words of ["shred 1", "retry", "retry x", "discard all 1"])
    expect(await type(`outbox ${words}`)).toEqual([expect.stringMatching(/^Usage: outbox list/)]);
});

test("dlq lists, shows, replays and discards dead letters, and names unknown ids", async () => {
  expect(await type("dlq list")).toEqual(["There is no dead letter"]);
  await service.broker.emit("media.uploaded", { eventType: "media.uploaded", userId: "nobody" });
  const letters = async () => service.database.sql<{ id: string; retry_count: number }>("TABLE dead_letters");
  const [letter] = await waitFor(async () => ((await letters()).length > 0 ? letters() : undefined));
  const id = Number(letter?.id);
  expect(await type("dlq list")).toEqual([[expect.objectContaining({ id, retryCount: 0 })]]);
  expect(await type(`dlq show ${id}`)).toEqual([
    expect.objectContaining({ id, event: expect.stringContaining('"nobody"') }),
  ]);
  expect(await type(`dlq replay ${id} ${id + 1}`)).toEqual([
    `to be retried: ${id}`,
    `There is no dead letter ${id + 1}`,
  ]);
  await waitFor(async () => (await letters())[0]?.retry_count === 1);
  expect(await type(`dlq discard ${id}`)).toEqual([`discarded: ${id}`]);
  expect(await type(`dlq show ${id}`)).toEqual([`There is no dead letter ${id}`]);
  expect(await type("dlq shred 1")).toEqual([expect.stringMatching(/^Usage: dlq list/)]);
});
