import { expect, jest, test } from "@jest/globals";
import { operatorOf, refuses, send } from "../helpers/erasure.ts";
import { person, service, withOneUser } from "../helpers/one-user.ts";
import { rowOf } from "../helpers/people.ts";

/** Contract 25 with other periods than the defaults. */

withOneUser({ ERASE_AFTER_DAYS: "0", RESTORE_WITHIN_DAYS: "1" });

const emailOf = async () => (await rowOf(service, person.id)).email;

test("ERASE_AFTER_DAYS=0: a request for an erasure erases the user at once", async () => {
  const { status, body } = await send("POST", "/erasure", {}, person.headers);
  expect([status, body.status]).toEqual([202, "scheduled"]);
  expect(await emailOf()).toBe("");
  expect((await send("GET", "/erasure")).body.status).toBe("complete");
});

test("ERASE_AFTER_DAYS=0: an erasure that fails stays scheduled, and the purge repeats it", async () => {
  const { sql } = service.database;
  await sql(
    "ALTER TABLE user_history ADD CONSTRAINT refused CHECK (changes #>> '{email,to}' <> '') NOT VALID",
  );
  const reported = jest.spyOn(service.broker.getLocalService("users").logger, "error").mockReturnValue();
  expect((await send("POST", "/erasure")).status).toBe(202);
  expect(reported).toHaveBeenCalledTimes(1);
  reported.mockRestore();
  await sql("ALTER TABLE user_history DROP CONSTRAINT refused");
  expect([await emailOf(), (await send("GET", "/erasure")).body.status]).toEqual([person.email, "scheduled"]);
  expect((await operatorOf(service).purge()).erased).toBe(1);
  expect(await emailOf()).toBe("");
});

test("RESTORE_WITHIN_DAYS=1: a restore two days after the deletion is 410, and the message names the period", async () => {
  await send("DELETE");
  await service.database.sql("UPDATE users SET deleted_at = now() - interval '2 days' WHERE id = $1", [
    person.id,
  ]);
  const message = `User with ID ${person.id} was deleted more than 1 days ago`;
  await refuses(send("POST", "/restore"), 410, message, "RESTORE_TOO_LATE");
});
