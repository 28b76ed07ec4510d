import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import sharp from "sharp";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { uploadOf } from "../helpers/form.ts";
import { coloursAt, jpeg, png, sampleImage, transparentPng } from "../helpers/images.ts";
import { createListener } from "../helpers/listener.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { type Answered, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

const listener = createListener();
let service: TestService;
beforeAll(async () => {
  service = await startService({ services: [listener.schema] });
});
afterAll(() => service.stop());

const urlOf = (id: string, rest = "") => `/api/v1/users/${id}${rest}`;
const upload = async ({ id, headers }: Person, image: Buffer): Promise<Answered> => {
  const asked = uploadOf(id, image);
  return request(service.url, { ...asked, headers: { ...asked.headers, ...headers } });
};
/** Requests without a token, like a browser's `<img>`. */
const see = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
  const { status, headers: got, bytes: image } = await request(service.url, { method, path, headers });
  return { status, headers: got, image };
};
const show = async ({ id, headers }: Person) =>
  (await service.http.get(urlOf(id)).set(headers).expect(200)).body;
const stored = (id: string): number => {
  const folder = join(process.env.DATA_DIR ?? "", "avatars", id);
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder, { recursive: true }).map((name) => statSync(join(folder, String(name))));
  return files.filter((file) => file.isFile()).reduce((sum, { size }) => sum + size, 0);
};

describe("POST /api/v1/users/:id/avatar", () => {
  test("returns the avatarUrl, which is also in the User, and which serves the avatar", async () => {
    const person = await createUser(service);
    const { status, body } = await upload(person, await jpeg());
    expect([status, body]).toEqual([200, { avatarUrl: expect.any(String) }]);
    const url = new URL(body.avatarUrl);
    expect([url.origin, url.pathname]).toEqual([
      `http://localhost:${process.env.PORT}`,
      urlOf(person.id, "/avatar"),
    ]);
    expect(url.searchParams.get("v")).toMatch(/^\w+$/);
    expect((await show(person)).profile.avatarUrl).toBe(body.avatarUrl);
    expect((await see(url.pathname + url.search)).status).toBe(200);
  });

  test("the User has an avatarUrl of the current PUBLIC_URL, also for an avatar uploaded under another one", async () => {
    const person = await createUser(service);
    const { body } = await upload(person, await jpeg());
    await service.database.sql("UPDATE users SET avatar_url = $1 WHERE id = $2", [
      body.avatarUrl.replace(/^http:..[^/]+/, "http://localhost:1"),
      person.id,
    ]);
    expect((await show(person)).profile.avatarUrl).toBe(body.avatarUrl);
  });

  const asJpeg = "image/jpeg";
  const accepted = { Accept: "image/avif,image/webp,image/*;q=0.8" };
  type Look = [title: string, headers: Record<string, string>, type: string];
  describe.each<[string, () => Promise<Buffer>, right: string, Look[]]>([
    [
      "a JPEG",
      jpeg,
      "blue",
      [
        ["is WebP for whom takes it", accepted, "image/webp"],
        ["is JPEG for others", {}, asJpeg],
        ["is JPEG for whom refuses WebP", { Accept: "image/webp;q=0, image/*" }, asJpeg],
      ],
    ],
    ["an opaque PNG", png, "blue", [["is JPEG for others", { Accept: "image/*" }, asJpeg]]],
    [
      "a transparent PNG",
      transparentPng,
      "none",
      [
        ["is WebP for whom takes it", accepted, "image/webp"],
        ["is PNG for others", { Accept: "*/*" }, "image/png"],
      ],
    ],
  ])("%s", (_, make, right, looks) => {
    let person: Person;
    beforeAll(async () => {
      person = await createUser(service);
      await upload(person, await make());
    });

    test.each(looks)("%s, square in every size", async (_, headers, type) => {
      for (const edge of [undefined, 64, 128, 256, 512]) {
        const query = edge === undefined ? "" : `?size=${edge}`;
        const { image, headers: got } = await see(urlOf(person.id, `/avatar${query}`), headers);
        const { width, height, format } = await sharp(image).metadata();
        const square = edge ?? 512;
        expect([query, width, height, `image/${format}`]).toEqual([query, square, square, type]);
        expect([got["content-type"], got["content-length"]]).toEqual([type, String(image.length)]);
        expect(await coloursAt(image, [0.2, 0.5], [0.8, 0.5])).toEqual(["red", right]);
      }
    });
  });

  test("applies the EXIF orientation, and removes metadata", async () => {
    const person = await createUser(service);
    const exif = {
      IFD0: { Copyright: "Secret Person" },
      IFD3: { GPSLatitudeRef: "N", GPSLatitude: "51/1 30/1 0/1" },
    };
    const source = await (await sampleImage())
      .withExif(exif)
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect((await sharp(source).metadata()).orientation).toBe(6);
    await upload(person, source);
    for (const headers of [{}, { Accept: "image/webp" }] as Record<string, string>[]) {
      const { image } = await see(urlOf(person.id, "/avatar"), headers);
      const { exif, xmp, iptc, orientation } = await sharp(image).metadata();
      expect([exif, xmp, iptc, orientation ?? 1]).toEqual([undefined, undefined, undefined, 1]);
      expect(image.includes("Secret Person")).toBe(false);
      // a quarter turn clockwise: the left half is now on top
      expect(await coloursAt(image, [0.5, 0.1], [0.5, 0.9])).toEqual(["red", "blue"]);
    }
  });
});

describe("GET /api/v1/users/:id/avatar", () => {
  let person: Person;
  let path: string;
  beforeAll(async () => {
    person = await createUser(service);
    const { body } = await upload(person, await jpeg());
    path = new URL(body.avatarUrl).pathname + new URL(body.avatarUrl).search;
  });

  test("is cacheable forever with the current v, and for minutes without v or with another", async () => {
    const cacheControl = async (query: string) =>
      (await see(urlOf(person.id, `/avatar${query}`))).headers["cache-control"];
    const [, version] = path.split("?");
    expect(await cacheControl(`?${version}`)).toMatch(/public.*max-age=31536000.*immutable/);
    for (const query of ["", "?size=64", "?v=", "?v=another"]) {
      const value = await cacheControl(query);
      const [, seconds] = /max-age=(\d+)/.exec(value ?? "") ?? [];
      expect([value?.includes("immutable"), Number(seconds) >= 60 && Number(seconds) < 3600]).toEqual([
        false,
        true,
      ]);
    }
  });

  test("answers the ETag, which each size and format has, with 304, and HEAD like GET", async () => {
    const etags = new Set<string>();
    for (const headers of [{}, { Accept: "image/webp" }] as Record<string, string>[])
      for (const query of ["?size=64", "?size=512"]) {
        const first = await see(urlOf(person.id, `/avatar${query}`), headers);
        const etag = first.headers.etag ?? "";
        expect([etag, first.headers.vary]).toEqual([
          expect.stringMatching(/^"[^"]+"$/),
          expect.stringMatching(/accept/i),
        ]);
        etags.add(etag);
        const again = await see(urlOf(person.id, `/avatar${query}`), { ...headers, "If-None-Match": etag });
        expect([again.status, again.image.length, again.headers.etag]).toEqual([304, 0, etag]);
        const other = await see(urlOf(person.id, `/avatar${query}`), {
          ...headers,
          "If-None-Match": '"other"',
        });
        expect(other.status).toBe(200);
        const head = await see(urlOf(person.id, `/avatar${query}`), headers, "HEAD");
        expect(head.image).toHaveLength(0);
        for (const name of ["etag", "content-type", "content-length", "cache-control"])
          expect(head.headers[name]).toBe(first.headers[name]);
      }
    expect(etags.size).toBe(4);
  });

  test.each(["65", "0", "-64", "63.5", "1024", "big", "", "64&size=128"])("size=%s is 400", async (size) => {
    const { status, body } = await request(service.url, { path: urlOf(person.id, `/avatar?size=${size}`) });
    expect([status, body.message, new Set(fieldsOf(body))]).toEqual([
      400,
      "Validation failed",
      new Set(["size"]),
    ]);
  });

  test("is 404 for a user without an avatar, and for an unknown user", async () => {
    const { id } = await createUser(service);
    const none = await request(service.url, { path: urlOf(id, "/avatar") });
    expect(none.body).toEqual(errorBody(404, "Avatar not found", urlOf(id, "/avatar")));
    const missing = crypto.randomUUID();
    const unknown = await request(service.url, { path: urlOf(missing, "/avatar") });
    expect(unknown.body).toEqual(errorBody(404, `User with ID ${missing} not found`));
  });

  test("serves the new avatar if another node has replaced the one that this node has cached", async () => {
    const another = await createUser(service);
    await upload(another, await jpeg());
    const { headers } = await see(urlOf(another.id, "/avatar"));
    const [, version = ""] = /"(\w+)-/.exec(headers.etag ?? "") ?? [];
    const [before, after] = [version, "0".repeat(32)].map((v) => `${another.id}/${v}.jpeg`);
    const folder = join(process.env.DATA_DIR ?? "", "avatars");
    renameSync(join(folder, before ?? ""), join(folder, after ?? ""));
    await service.database.sql("UPDATE users SET avatar_key = $2 WHERE id = $1", [another.id, after]);
    const shown = await see(urlOf(another.id, "/avatar"));
    expect([shown.status, shown.headers.etag]).toEqual([200, expect.stringContaining("0".repeat(32))]);
  });

  test("is 404 if the store has lost the image", async () => {
    const another = await createUser(service);
    await upload(another, await jpeg());
    rmSync(join(process.env.DATA_DIR ?? "", "avatars", another.id), { recursive: true });
    expect((await see(urlOf(another.id, "/avatar"))).status).toBe(404);
  });

  test("has nosniff, so that a browser cannot execute an avatar", async () => {
    const { headers } = await see(path);
    expect(headers["x-content-type-options"]).toBe("nosniff");
  });
});

describe("the storage that an avatar uses", () => {
  test("is the sum of all sizes, does not change for the same image, and changes by the difference for another", async () => {
    const person = await createUser(service);
    const [red, green] = [await jpeg(), await jpeg({ left: "#00ff00", width: 900, height: 700 })];
    await listener.eventsOf(service, person.id);
    await sleep(3);
    const first = await upload(person, red);
    const shown = await show(person);
    expect(shown.updatedAt > person.updatedAt).toBe(true);
    expect(shown.stats.storageUsed).toBe(stored(person.id));
    expect((await upload(person, red)).body).toEqual(first.body);
    expect(await show(person)).toEqual(shown);
    expect(await listener.eventsOf(service, person.id)).toEqual([
      ["user.avatar_uploaded", { avatarUrl: first.body.avatarUrl, fileSize: stored(person.id) }],
    ]);

    const second = await upload(person, green);
    expect(second.body.avatarUrl).not.toBe(first.body.avatarUrl);
    const { stats } = await show(person);
    expect(stats.storageUsed).toBe(stored(person.id));
    expect(stats.storageUsed).not.toBe(shown.stats.storageUsed);
    expect(await listener.eventsOf(service, person.id)).toEqual([
      ["user.avatar_uploaded", { avatarUrl: second.body.avatarUrl, fileSize: stats.storageUsed }],
    ]);
    const { body } = await service.http.get(urlOf(person.id, "/quotas")).set(person.headers);
    expect(body.storage.used).toBe(stats.storageUsed);
  });

  test("is subtracted when the avatar is deleted, with one event", async () => {
    const person = await createUser(service);
    await service.database.sql("UPDATE users SET storage_used = 1000 WHERE id = $1", [person.id]);
    await upload(person, await png());
    const fileSize = stored(person.id);
    await listener.eventsOf(service, person.id);
    const remove = () => service.http.delete(urlOf(person.id, "/avatar")).set(person.headers);
    expect((await remove().expect(200)).body).toStrictEqual({ message: "Avatar deleted successfully" });
    expect((await remove().expect(404)).body.message).toBe("Avatar not found");
    const { profile, stats } = await show(person);
    expect([profile.avatarUrl, stats.storageUsed, stored(person.id)]).toEqual([null, 1000, 0]);
    expect((await see(urlOf(person.id, "/avatar"))).status).toBe(404);
    expect(await listener.eventsOf(service, person.id)).toEqual([["user.avatar_deleted", { fileSize }]]);
  });

  test("is freed when the user is deleted, without an avatar event", async () => {
    const person = await createUser(service);
    await upload(person, await png());
    expect(stored(person.id)).toBeGreaterThan(0);
    await listener.eventsOf(service, person.id);
    await service.http.delete(urlOf(person.id)).set(person.headers).expect(200);
    const events = await listener.eventsOf(service, person.id);
    expect(events.map(([type]) => type)).toEqual(["user.deleted"]);
    await waitFor(() => stored(person.id) === 0);
    expect((await see(urlOf(person.id, "/avatar"))).status).toBe(404);
  });
});
