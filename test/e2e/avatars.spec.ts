import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Client } from "minio";
import sharp from "sharp";
import { readConfig } from "../../lib/config/config.ts";
import { FORMS, startCluster } from "../helpers/cluster.ts";
import { uploadOf } from "../helpers/form.ts";
import { hostileImages } from "../helpers/hostile-images.ts";
import { jpeg } from "../helpers/images.ts";
import { request } from "../helpers/request.ts";
import { INTERNAL_TOKEN } from "../helpers/service.ts";
import { faultOf } from "../helpers/upload-check.ts";

/** Avatars on a real MinIO, with one node and with several nodes that communicate over a real Kafka. */

const internal = { "x-internal-token": INTERNAL_TOKEN };

/** An image of noise, which cannot be compressed. */
const noise = (width: number, channels: 3 | 4) =>
  sharp(randomBytes(width * width * channels), { raw: { width, height: width, channels } });

describe.each(Object.entries(FORMS))("On %s, MinIO and Kafka", (_form, services) => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  beforeAll(async () => {
    cluster = await startCluster(services);
  });
  afterAll(() => cluster?.stop());

  async function createUser(): Promise<string> {
    const name = crypto.randomUUID();
    const body = { keycloakId: name, email: `${name}@example.com`, profile: { fullName: "Anna Meyer" } };
    const answer = await cluster.gateway.http.post("/api/v1/users").set(internal).send(body).expect(201);
    return answer.body.id;
  }
  const upload = (id: string, file: Buffer) => {
    const asked = uploadOf(id, file);
    return request(cluster.gateway.url, { ...asked, headers: { ...asked.headers, ...internal } });
  };
  const see = (id: string, query = "", headers = {}) =>
    request(cluster.gateway.url, { path: `/api/v1/users/${id}/avatar${query}`, headers });
  const objects = async (): Promise<string[]> => {
    const { minio } = readConfig({ ...process.env, ...cluster.env });
    if (!minio) throw new Error("MINIO_ENDPOINT is not set");
    const listed = new Client(minio).listObjectsV2(minio.bucket, "", true);
    return Array.fromAsync(listed, ({ name }: { name: string }) => name);
  };

  test("an avatar is stored in the bucket in every size, served from there, and deleted from there", async () => {
    const id = await createUser();
    const { status, body } = await upload(id, await jpeg({ width: 900, height: 700 }));
    expect(status).toBe(200);
    expect((await objects()).filter((name) => name.startsWith(id))).toHaveLength(8);
    for (const size of [64, 128, 256, 512]) {
      const { headers, bytes } = await see(id, `?size=${size}`, { accept: "image/webp" });
      expect(headers["content-type"]).toBe("image/webp");
      expect(await sharp(bytes).metadata()).toMatchObject({ format: "webp", width: size, height: size });
    }
    const { search } = new URL(body.avatarUrl);
    const { headers } = await see(id, search);
    expect(headers["cache-control"]).toContain("immutable");
    expect((await see(id, "", { "if-none-match": headers.etag })).status).toBe(304);

    await cluster.gateway.http.delete(`/api/v1/users/${id}/avatar`).set(internal).expect(200);
    expect((await see(id)).status).toBe(404);
    expect((await objects()).filter((name) => name.startsWith(id))).toEqual([]);
  });

  test("ten concurrent uploads of 1.6 MB succeed, and each avatar is served", async () => {
    const file = await noise(1_300, 3).jpeg({ quality: 90 }).toBuffer(); // 1.6 MB
    const ids = await Promise.all(Array.from({ length: 10 }, createUser));
    const statuses = (await Promise.all(ids.map((id) => upload(id, file)))).map(({ status }) => status);
    expect(statuses).toEqual(Array(10).fill(200));
    for (const id of ids) expect((await sharp((await see(id)).bytes).metadata()).width).toBe(512);
  });

  test("an avatar that is larger than a Kafka message is served completely", async () => {
    const id = await createUser();
    expect((await upload(id, await noise(512, 4).png().toBuffer())).status).toBe(200);
    const { headers, bytes } = await see(id);
    expect(bytes.length).toBeGreaterThan(2 ** 20);
    expect([headers["content-type"], headers["content-length"]]).toEqual(["image/png", `${bytes.length}`]);
    await sharp(bytes).raw().toBuffer(); // rejects if a byte is missing
  });

  test("each hostile file is refused, or re-encoded without any bytes of the upload", async () => {
    const left = await hostileImages();
    const faults: string[] = [];
    const lane = async () => {
      const uploader = { id: await createUser(), headers: internal };
      for (let file = left.pop(); file; file = left.pop()) {
        const fault = await faultOf(cluster.gateway.url, uploader, file);
        if (fault) faults.push(fault);
      }
    };
    await Promise.all(Array.from({ length: 4 }, lane));
    expect(faults).toEqual([]);
  }, 240_000);

  test("a file above the limit is answered with 413, and a file that is not an image with 415", async () => {
    const id = await createUser();
    expect((await upload(id, Buffer.alloc(5 * 2 ** 20 + 1))).status).toBe(413);
    expect((await upload(id, Buffer.from("not an image"))).status).toBe(415);
    expect((await objects()).filter((name) => name.startsWith(id))).toEqual([]);
  });
});
