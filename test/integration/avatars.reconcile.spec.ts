import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import type { ObjectStore } from "../../lib/object-store/object-store.types.ts";
import type { WorkQueue as Queue } from "../../services/avatars/avatars.queue.ts";
import type { reconcile as Reconcile } from "../../services/avatars/avatars.reconcile.ts";
import { uploadOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let store: ObjectStore;
let reconcile: typeof Reconcile;
let WorkQueue: typeof Queue;
let original: Queue["run"];
let image: Buffer;

beforeAll(async () => {
  service = await startService();
  image = await jpeg();
  ({ objectStore: store } = await import("../../lib/object-store/object-store.ts"));
  ({ WorkQueue } = await import("../../services/avatars/avatars.queue.ts"));
  original = WorkQueue.prototype.run;
  ({ reconcile } = await import("../../services/avatars/avatars.reconcile.ts"));
});
afterAll(() => service?.stop());

const inTwoHours = () => new Date(Date.now() + 7_200_000);
const namesOf = (id: string) => Array.fromAsync(store.list(`${id}/`), ({ name }) => name);
const put = (...names: string[]) =>
  Promise.all(names.map((name) => store.put(name, Buffer.from("x"), "image/webp")));

const upload = async ({ id, headers }: Person, file: Buffer) => {
  const asked = uploadOf(id, file);
  return request(service.url, { ...asked, headers: { ...asked.headers, ...headers } });
};

const remove = ({ id, headers }: Person) =>
  request(service.url, { method: "DELETE", path: `/api/v1/users/${id}`, headers });

test("only objects that no user refers to and that are over an hour old are removed", async () => {
  const [anna, ben] = [await createUser(service), await createUser(service)];
  await upload(anna, image);
  const objects = await namesOf(anna.id);
  expect(objects).toHaveLength(8);
  const orphans = [`${anna.id}/0123.jpeg/64.webp`, `${ben.id}/4567.png/64.png`];
  const ofNobody = `${crypto.randomUUID()}/89ab.jpeg/64.webp`;
  await put(...orphans, ofNobody, "not-ours/64.webp");

  expect(await reconcile()).toEqual({ removed: 0, broken: [] });
  expect(await reconcile(inTwoHours())).toEqual({ removed: 3, broken: [] });
  expect(await namesOf(anna.id)).toEqual(objects);
  expect(await namesOf(ben.id)).toEqual([]);
  expect(await namesOf("not-ours")).toEqual(["not-ours/64.webp"]);
});

test("a user whose avatar objects are missing is reported", async () => {
  const anna = await createUser(service);
  await upload(anna, image);
  await store.remove((await namesOf(anna.id)).slice(0, 1));
  expect((await reconcile())?.broken).toEqual([anna.id]);
  await store.remove(await namesOf(anna.id));
  expect((await reconcile())?.broken).toEqual([anna.id]);
  await upload(anna, await jpeg({ left: "#00ff00" }));
  expect((await reconcile())?.broken).toEqual([]);
});

test("a deleted user's avatar objects are removed as orphans if the event that deletes them was lost", async () => {
  const anna = await createUser(service);
  await upload(anna, image);
  await service.database.sql("UPDATE users SET deleted_at = now() WHERE id = $1", [anna.id]);
  expect(await reconcile(inTwoHours())).toEqual({ removed: 8, broken: [] });
});

test("only one node reconciles at a time", async () => {
  await service.database.sql("SELECT pg_advisory_lock(8300201)"); // the lock that another node would hold
  expect(await reconcile()).toBeUndefined();
  await service.database.sql("SELECT pg_advisory_unlock(8300201)");
  expect(await reconcile()).toBeDefined();
});

test("after many concurrent uploads of two images in turn, only one complete avatar is left", async () => {
  const anna = await createUser(service);
  const files = [image, await jpeg({ left: "#00ff00" })];
  const uploads = Array.from({ length: 6 }, (_, n) => upload(anna, files[n % 2] ?? Buffer.alloc(0)));
  expect((await Promise.all(uploads)).map(({ status }) => status)).toEqual(Array(6).fill(200));
  const [row] = await service.database.sql<{ avatar_key: string }>(
    "SELECT avatar_key FROM users WHERE id = $1",
    [anna.id],
  );
  const names = await namesOf(anna.id);
  expect(names).toHaveLength(8);
  expect(names.every((name) => name.startsWith(`${row?.avatar_key}/`))).toBe(true);
});

test("a native user.deleted for a user who is not deleted removes no avatar objects", async () => {
  const anna = await createUser(service);
  await upload(anna, image);
  const objects = await namesOf(anna.id);
  await service.broker.emit("user.deleted", { userId: anna.id }); // resolves after the listeners of this node have run
  expect(await namesOf(anna.id)).toEqual(objects);
});

test("an upload leaves no objects if its user is deleted before they are stored", async () => {
  const anna = await createUser(service);
  const put = store.put.bind(store);
  let deleted: Promise<{ status: number }> | undefined;
  store.put = async (...args) => {
    deleted ??= remove(anna);
    await deleted;
    return put(...args);
  };
  const answer = await upload(anna, image);
  store.put = put;
  expect([answer.status, (await deleted)?.status]).toEqual([404, 200]);
  expect(await namesOf(anna.id)).toEqual([]);
});

test("an upload leaves no objects if its user is deleted while the image is decoded", async () => {
  const anna = await createUser(service);
  const [begun, deleted] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const run = jest.spyOn(WorkQueue.prototype, "run");
  run.mockImplementation(function (this: Queue, work, place) {
    const convert = async () => {
      begun.resolve();
      await deleted.promise;
      return work();
    };
    return original.call(this, place?.weight ? convert : work, place) as never; // only conversions have a weight
  });
  const uploading = upload(anna, image);
  await begun.promise;
  expect((await remove(anna)).status).toBe(200);
  run.mockRestore();
  deleted.resolve();
  expect((await uploading).status).toBe(404);
  expect(await namesOf(anna.id)).toEqual([]);
});

test("the process survives an object store that fails after a call has timed out", async () => {
  const person = await createUser(service);
  await upload(person, await jpeg());

  const body = new PassThrough();
  const get = jest.spyOn(store, "get").mockResolvedValue({ body, length: 1 });
  expect(await service.broker.call("avatars.get", { id: person.id })).toBe(body);
  get.mockRestore();
  body.destroy(new Error("The object store does not answer")); // the call timed out, so its result is not used
  await new Promise((resolve) => body.once("close", resolve));
  expect((await service.http.get("/health/live")).status).toBe(200);
});
