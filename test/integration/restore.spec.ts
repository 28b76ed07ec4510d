import { expect, test } from "@jest/globals";
import { outboxEmpty } from "../helpers/collect-events.ts";
import { errorBody } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { events, person, requestsOf, service, turnTo, USERS, withOneUser } from "../helpers/one-user.ts";
import { allRows, createUser, type Person, rowOf } from "../helpers/people.ts";

/** Contract 25: a deleted user is restored. */

withOneUser();

const { ask } = requestsOf();
const get = (rest = "") => ask({ path: `${USERS}/${person.id}${rest}` });
const remove = async () =>
  expect((await ask({ method: "DELETE", path: `${USERS}/${person.id}` })).status).toBe(200);
const restore = (id = person.id) => ask({ method: "POST", path: `${USERS}/${id}/restore` });
const eventsOf = async (type: string) => {
  await outboxEmpty(service.database);
  return events.received.filter(({ userId, eventType }) => userId === person.id && eventType === type);
};
const deletedDaysAgo = (days: number) =>
  service.database.sql("UPDATE users SET deleted_at = now() - $2 * interval '1 day' WHERE id = $1", [
    person.id,
    days,
  ]);
/** Expects that a restore is refused and changes nothing. */
async function refuses(status: number, message: string, code: string): Promise<void> {
  const before = [await allRows(service), await entriesOf(service, person.id)];
  const answer = await restore();
  expect(answer.body).toEqual(errorBody(status, message, `${USERS}/${person.id}/restore`));
  expect(answer.headers["x-error-code"]).toBe(code);
  expect([await allRows(service), await entriesOf(service, person.id)]).toEqual(before);
  expect(await eventsOf("user.restored")).toEqual([]);
}

test("a restored user equals the user before the deletion, and can be found, changed and deleted", async () => {
  await ask({ method: "PATCH", path: `${USERS}/${person.id}/preferences`, body: { language: "de" } });
  await ask({ method: "PATCH", path: `${USERS}/${person.id}/quotas`, body: { maxInterviews: 3 } });
  const before = [(await get()).body, (await get("/preferences")).body, (await get("/quotas")).body];
  await remove();
  expect((await get()).status).toBe(404);
  const answer = await restore();
  const updatedAt = expect.any(String);
  expect([answer.status, answer.body]).toEqual([200, { ...before[0], updatedAt }]);
  expect(answer.headers.etag).toBe(`"${(await rowOf(service, person.id)).version}"`);
  expect((await get()).body).toEqual(answer.body);
  expect([(await get("/preferences")).body, (await get("/quotas")).body]).toEqual(before.slice(1));
  const { status } = await ask({ path: `${USERS}/me` }, person.headers);
  expect(status).toBe(200);
  const deleted = await ask({ path: `${USERS}?deleted=true&keycloakId=${person.keycloakId}` });
  expect(deleted.body.items).toEqual([]);
  await remove();
  expect((await restore()).status).toBe(200);
});

test("a restore publishes one user.restored and writes one entry in the history, with its event", async () => {
  await remove();
  const { deleted_at } = await rowOf(service, person.id);
  await restore();
  const [event, ...others] = await eventsOf("user.restored");
  expect([event?.data, others]).toEqual([{ restoredAt: expect.stringMatching(/Z$/) }, []]);
  const entries = await entriesOf(service, person.id);
  expect(entries.slice(2)).toEqual([
    expect.objectContaining({
      version: 3,
      by: { kind: "admin", id: "an-admin" },
      eventId: event?.eventId,
      changes: { deletedAt: { from: (deleted_at as Date).toISOString(), to: null } },
    }),
  ]);
});

test.each(["outbox", "user_history"])(
  "a restore, its event and its entry commit together: if %s cannot be written, the user stays deleted",
  async (table) => {
    await remove();
    await outboxEmpty(service.database);
    const before = [await allRows(service), await entriesOf(service, person.id)];
    await service.database.sql(`ALTER TABLE ${table} ADD CONSTRAINT refused CHECK (false) NOT VALID`);
    expect((await restore()).status).toBe(500);
    await service.database.sql(`ALTER TABLE ${table} DROP CONSTRAINT refused`);
    expect([await allRows(service), await entriesOf(service, person.id)]).toEqual(before);
    expect((await restore()).status).toBe(200);
  },
);

test("a restored user has no avatar, and its storage no longer counts", async () => {
  await ask(uploadOf(person.id, await jpeg()));
  expect((await rowOf(service, person.id)).storage_used).not.toBe(0);
  await remove();
  const { body } = await restore();
  expect([body.profile, body.stats]).toMatchObject([{ avatarUrl: null }, { storageUsed: 0 }]);
  expect(await rowOf(service, person.id)).toMatchObject({ avatar_key: null, avatar_size: 0 });
  const [entry] = (await entriesOf(service, person.id)).slice(-1);
  expect(entry?.changes).toMatchObject({ avatarUrl: { from: expect.any(String), to: null } });
  expect((await get("/avatar")).status).toBe(404);
  expect((await ask(uploadOf(person.id, await jpeg()))).status).toBe(200);
  expect((await get("/avatar")).status).toBe(200);
});

test("a restore of a user who is not deleted is 200, without a change or an event", async () => {
  const before = await rowOf(service, person.id);
  const { status, body } = await restore();
  expect([status, body.id]).toEqual([200, person.id]);
  expect(await rowOf(service, person.id)).toEqual(before);
  expect(await eventsOf("user.restored")).toEqual([]);
});

test("10 concurrent restores are all 200, and publish one user.restored", async () => {
  await remove();
  const answers = await Promise.all(Array.from({ length: 10 }, () => restore()));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(await eventsOf("user.restored")).toHaveLength(1);
  expect(await entriesOf(service, person.id)).toHaveLength(3);
});

test("a restore just before the end of the 30 days is 200", async () => {
  await remove();
  await deletedDaysAgo(29.99);
  expect((await restore()).status).toBe(200);
});

test("a restore more than 30 days after the deletion is 410, and nothing changes", async () => {
  await remove();
  await deletedDaysAgo(30.01);
  await refuses(410, `User with ID ${person.id} was deleted more than 30 days ago`, "RESTORE_TOO_LATE");
});

test("a restore is 409 and changes nothing if another user has the e-mail, in any letter case", async () => {
  await remove();
  await createUser(service, { email: person.email.toUpperCase() });
  await refuses(409, `User with email ${person.email} already exists`, "EMAIL_TAKEN");
});

test("a restore is 409 and changes nothing if another user has the keycloakId", async () => {
  await remove();
  await createUser(service, { keycloakId: person.keycloakId });
  await refuses(409, `User with Keycloak ID ${person.keycloakId} already exists`, "KEYCLOAK_ID_TAKEN");
});

test("of a concurrent sign-up and restore, one succeeds and the other is 409", async () => {
  const { keycloakId, email } = person;
  for (let round = 0; round < 5; round++) {
    await remove();
    const body = { keycloakId, email, profile: { fullName: "New Person" } };
    const [restored, created] = await Promise.all([restore(), ask({ method: "POST", path: USERS, body })]);
    expect([restored.status, created.status].sort()).toEqual([restored.status === 200 ? 200 : 201, 409]);
    const { body: listed } = await ask({ path: `${USERS}?keycloakId=${keycloakId}` });
    expect(listed.items).toHaveLength(1);
    turnTo({ ...person, id: (listed.items as Person[])[0]?.id ?? "" });
  }
});

test("a restore of an unknown user is 404, and one with a body 400", async () => {
  expect((await restore(crypto.randomUUID())).status).toBe(404);
  const path = `${USERS}/${person.id}/restore`;
  expect((await ask({ method: "POST", path, body: { deletedAt: null } })).status).toBe(400);
});

test("/users/me/restore restores the admin's own user", async () => {
  const headers = await service.user(person.keycloakId, { roles: ["admin"] });
  await remove();
  const { status, body } = await ask({ method: "POST", path: `${USERS}/me/restore` }, headers);
  expect([status, body.id]).toEqual([200, person.id]);
});
