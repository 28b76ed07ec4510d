import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { uploadOf } from "../helpers/form.ts";
import { png } from "../helpers/images.ts";
import { createUser } from "../helpers/people.ts";
import { request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

test("an object store that fails while nobody reads an avatar any more does not end the process", async () => {
  const { objectStore } = await import("../../lib/object-store/object-store.ts");
  const person = await createUser(service);
  const upload = uploadOf(person.id, await png());
  await request(service.url, { ...upload, headers: { ...upload.headers, ...person.headers } });

  const body = new PassThrough();
  jest.spyOn(objectStore, "get").mockResolvedValue({ body, length: 1 });
  expect(await service.broker.call("avatars.get", { id: person.id })).toBe(body);
  body.destroy(new Error("The object store does not answer")); // the call took too long: its result is not used
  await new Promise((resolve) => body.once("close", resolve));
  expect((await service.http.get("/health/live")).status).toBe(200);
});
