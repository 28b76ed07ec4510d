import { describe, expect, jest, test } from "@jest/globals";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { dueDaysAgo, operatorOf, refuses, send } from "../helpers/erasure.ts";
import { events, person, service, turnTo, withOneUser } from "../helpers/one-user.ts";
import { createUser, type Person, rowOf } from "../helpers/people.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Contract 25: legal holds, and the purge of users whose erasure is due. */

withOneUser();

describe("a legal hold", () => {
  const onHold = () => `User with ID ${person.id} is on legal hold`;

  test("is set with its reason, replaced and released by admins", async () => {
    const { status, body } = await send("PUT", "/hold", { reason: "court case" });
    expect([status, body]).toEqual([
      200,
      { userId: person.id, reason: "court case", since: expect.stringMatching(/Z$/) },
    ]);
    expect((await send("PUT", "/hold", { reason: "another" })).body.reason).toBe("another");
    const released = await send("DELETE", "/hold", { reason: "closed" });
    expect([released.status, released.body]).toEqual([200, { message: "Hold released successfully" }]);
    const none = `User with ID ${person.id} is not on legal hold`;
    await refuses(send("DELETE", "/hold"), 404, none, "HOLD_NOT_FOUND");
  });

  test("refuses POST erasure with 409 LEGAL_HOLD, and nothing changes", async () => {
    await send("PUT", "/hold", { reason: "court case" });
    await refuses(send("POST", "/erasure"), 409, onHold(), "LEGAL_HOLD");
    expect((await send("GET")).status).toBe(200);
    await send("DELETE", "/hold");
    expect((await send("POST", "/erasure")).status).toBe(202);
  });

  test("prevents neither the deletion nor the restoration of the user", async () => {
    await send("PUT", "/hold", { reason: "court case" });
    expect((await send("DELETE")).status).toBe(200);
    expect((await send("POST", "/restore")).status).toBe(200);
    await refuses(send("POST", "/erasure"), 409, onHold(), "LEGAL_HOLD");
  });

  test("prevents an erasure that is due until the hold is released", async () => {
    await send("POST", "/erasure");
    await dueDaysAgo(service, person.id, 2);
    await send("PUT", "/hold", { reason: "court case" });
    await expect(operatorOf(service).eraseNow(person.id)).rejects.toMatchObject({
      code: 409,
      type: "LEGAL_HOLD",
    });
    await operatorOf(service).purge();
    expect((await rowOf(service, person.id)).email).toBe(person.email);
    expect((await send("GET", "/erasure")).body.status).toBe("overdue");
    await send("DELETE", "/hold");
    expect((await operatorOf(service).purge()).erased).toBe(1);
    expect((await rowOf(service, person.id)).email).toBe("");
  });
});

describe("the purge", () => {
  test("erases exactly the users that are due; two concurrent purges erase each user once", async () => {
    const people: Person[] = [];
    for (let count = 0; count < 6; count++) {
      turnTo(await createUser(service));
      people.push(person);
      await send("POST", "/erasure");
      if (count > 0) await dueDaysAgo(service, person.id, 0);
    }
    const runs = await Promise.all([operatorOf(service).purge(), operatorOf(service).purge()]);
    expect(runs.reduce((sum, { erased }) => sum + erased, 0)).toBe(5);
    const emails = await Promise.all(people.map(async ({ id }) => (await rowOf(service, id)).email));
    expect(emails).toEqual([people[0]?.email, "", "", "", "", ""]);
    await outboxEmpty(service.database);
    const erased = events.received.filter(({ eventType }) => eventType === "user.erased");
    for (const { id } of people.slice(1))
      expect(erased.filter(({ userId }) => userId === id)).toHaveLength(1);
  });

  test("reports a user that cannot be erased, and erases the others", async () => {
    const people = await Promise.all(Array.from({ length: 3 }, () => createUser(service)));
    for (const one of people) {
      turnTo(one);
      await send("POST", "/erasure");
      await dueDaysAgo(service, person.id, 0);
    }
    const [, failing] = people.map(({ id }) => id).sort();
    const { sql } = service.database;
    await sql(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stop'; END $$;
      CREATE TRIGGER fail BEFORE UPDATE ON erasures FOR EACH ROW WHEN (OLD.user_id = '${failing}') EXECUTE FUNCTION fail()`);
    const reported = jest.spyOn(service.broker.getLocalService("users").logger, "error").mockReturnValue();
    expect((await operatorOf(service).purge()).erased).toBe(2);
    expect(reported).toHaveBeenCalledTimes(1);
    reported.mockRestore();
    await sql("DROP TRIGGER fail ON erasures; DROP FUNCTION fail()");
    for (const { id, email } of people)
      expect((await rowOf(service, id)).email).toBe(id === failing ? email : "");
    expect((await operatorOf(service).purge()).erased).toBe(1);
  });

  test("runs when a node starts, and then hourly", async () => {
    await send("POST", "/erasure");
    await dueDaysAgo(service, person.id, 0);
    const users = service.broker.getLocalService("users");
    await service.broker.destroyService(users);
    service.broker.createService(users.originalSchema);
    expect(await waitFor(async () => (await rowOf(service, person.id)).email === "")).toBe(true);
  });

  test("does nothing while another node erases", async () => {
    await send("POST", "/erasure");
    await dueDaysAgo(service, person.id, 0);
    await service.database.sql("SELECT pg_advisory_lock(8300306)");
    expect((await operatorOf(service).purge()).erased).toBe(0);
    await service.database.sql("SELECT pg_advisory_unlock_all()");
    await service.database.sql("SELECT pg_advisory_unlock_all()");
  });

  test("concurrent with a cancellation leaves the user either complete or erased", async () => {
    for (let round = 0; round < 5; round++) {
      turnTo(await createUser(service));
      await send("POST", "/erasure");
      await dueDaysAgo(service, person.id, 0);
      const [{ status }] = await Promise.all([send("DELETE", "/erasure"), operatorOf(service).purge()]);
      const { email, deleted_at } = await rowOf(service, person.id);
      expect(status === 200 ? [email, deleted_at] : [email, status]).toEqual(
        status === 200 ? [person.email, null] : ["", 410],
      );
    }
  });
});
