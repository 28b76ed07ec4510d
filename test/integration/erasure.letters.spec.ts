import { describe, expect, test } from "@jest/globals";
import { operatorOf } from "../helpers/erasure.ts";
import { person, service, turnTo, withOneUser } from "../helpers/one-user.ts";
import { createUser } from "../helpers/people.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25: the dead letters of a person. */

withOneUser();

describe("erasing removes the dead letters that contain the user's id", () => {
  const store = (event: Buffer, uuids: string) =>
    service.database.sql(
      `INSERT INTO dead_letters (key, topic, event, uuids, code, message)
       VALUES ($1, 'media-events', $2, ${uuids}, 'INVALID_JSON', 'The message is not JSON')`,
      [crypto.randomUUID(), event],
    );
  const bytes = (text: string) => Buffer.from(text);
  const NAMED: [how: string, event: (id: string) => Buffer][] = [
    ["in upper case", (id) => bytes(`{"userId": "${id.toUpperCase()}"`)],
    ["beside other ids", (id) => bytes(`${crypto.randomUUID()}-${id}-${crypto.randomUUID()}`)],
    ["between bytes that are not text", (id) => Buffer.concat([Buffer.of(0, 255), bytes(id), Buffer.of(0)])],
    ["at the end of a long message", (id) => bytes("0123456789abcdef-".repeat(50_000) + id)],
  ];
  const others = () => service.database.sql("SELECT key FROM dead_letters ORDER BY id");

  test.each(NAMED)("%s, also if a node of an older version stored them", async (_, event) => {
    await store(event(crypto.randomUUID()), "uuids_in(encode($2, 'escape'))");
    await store(event(crypto.randomUUID()), "NULL");
    const before = await others();
    await store(event(person.id), "uuids_in(encode($2, 'escape'))");
    await store(event(person.id), "NULL");
    expect((await operatorOf(service).inventory(person.id)).deadLetters).toBe(2);
    await operatorOf(service).eraseNow(person.id);
    expect(await others()).toEqual(before);
  });

  test("that contain the keycloakId, if it contains a UUID like that of a federated user", async () => {
    const component = crypto.randomUUID(); // the form for users of a federated directory
    const ada = `f:${component}:Ada`;
    await store(bytes(`{"userId": "f:${component}:Bob"}`), "NULL");
    await store(bytes(`{"userId": "f:${component}:Bob"}`), "uuids_in(encode($2, 'escape'))");
    const before = await others();
    turnTo(await createUser(service, { keycloakId: ada }));
    await store(bytes(`{"userId": "${ada}"}`), "NULL");
    await store(bytes(`{"userId": "${ada}"}`), "uuids_in(encode($2, 'escape'))");
    await operatorOf(service).eraseNow(person.id);
    expect(await others()).toEqual(before);
  });

  test("of this version, and of an older version after their index was filled", async () => {
    const before = await others();
    await store(bytes(person.id), "NULL");
    const { fillUuids } = await import("../../services/ingest/dead-letter.fill.ts");
    await fillUuids(new AbortController().signal);
    await service.broker.emit("media.deleted", { userId: person.id, fileId: "file-1", fileSize: -1 });
    await waitFor(async () => (await others()).length === before.length + 2);
    const found = "SELECT FROM dead_letters WHERE uuids @> ARRAY[$1::uuid]";
    expect(await service.database.sql(found, [person.id])).toHaveLength(2);
    await operatorOf(service).eraseNow(person.id);
    expect(await others()).toEqual(before);
  });
});
