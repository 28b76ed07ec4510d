import type http from "node:http";
import { PassThrough } from "node:stream";
import type { Client } from "minio";
import type { MinioConfig } from "../config/config.ts";
import { connectMinio } from "./minio-client.ts";
import { MissingRight, type S3Error, storeUnavailable } from "./minio-rights.ts";
import type { ObjectStore } from "./object-store.types.ts";

/** In bytes, larger than our objects: otherwise a slow client would make the connection to the store time out. */
const READ_AHEAD = 2 ** 21;

/** An object that shows what the credentials may do. An avatar's name begins with a user's id. */
const PROBE = ".user-service";

/** A bucket of MinIO or any other S3 as an object store, or the part of it whose names begin with the prefix. */
export function minioStore(config: MinioConfig): ObjectStore {
  const { bucket, prefix: base } = config;
  const ask = connectMinio(config);

  const readProbe = async (client: Client) => void (await client.getObject(bucket, base + PROBE)).resume();

  const createIfMissing = (client: Client) =>
    readProbe(client).catch(async (error: S3Error) => {
      if (error.code === "NoSuchBucket") await client.makeBucket(bucket, client.region).catch(unlessOurs);
      else if (error.code !== "AccessDenied") unlessMissing(error);
    });

  const store: ObjectStore = {
    async prepare() {
      await ask("s3:CreateBucket", createIfMissing);
      await store.put(PROBE, Buffer.from("user-service\n"), "text/plain");
      await ask("s3:GetObject", readProbe);
      return store.remove([`${PROBE}.removed`]).then(() => undefined, warnIfDenied);
    },

    async check() {
      await ask("s3:GetObject", (client) => readProbe(client).catch(unlessMissing));
    },

    async put(name, bytes, contentType) {
      await ask("s3:PutObject", (client) =>
        client.putObject(bucket, base + name, bytes, bytes.length, { "Content-Type": contentType }),
      );
    },

    get: (name) =>
      ask("s3:GetObject", async (client) => {
        const answer = await client.getObject(bucket, base + name).catch(async (error: S3Error) => {
          // S3 says so also for a missing object if the credentials may not list the bucket
          if (error.code === "AccessDenied") await readProbe(client);
          else unlessMissing(error);
        });
        if (!answer) return undefined;
        const body = new PassThrough({ highWaterMark: READ_AHEAD });
        answer.on("error", (error) => body.destroy(error)).pipe(body);
        return { body, length: Number((answer as http.IncomingMessage).headers["content-length"]) };
      }),

    async *list(parent = "") {
      const objects = await ask("s3:ListBucket", async (client) =>
        client.listObjectsV2(bucket, base + parent, true),
      );
      try {
        for await (const { name, lastModified } of objects)
          if (name && lastModified && name !== base + PROBE)
            yield { name: name.slice(base.length), modifiedAt: lastModified };
      } catch (cause) {
        throw storeUnavailable("s3:ListBucket", cause as S3Error);
      }
    },

    async remove(names) {
      if (names.length === 0) return;
      await ask("s3:DeleteObject", async (client) => {
        const [failed] = (await client.removeObjects(
          bucket,
          names.map((name) => base + name),
        )) as { Code?: string; Message?: string }[];
        if (failed) throw Object.assign(new Error(failed.Message), { code: failed.Code });
      });
    },
  };
  return store;
}

/** Another node may have created the bucket at the same time. */
function unlessOurs(error: S3Error): void {
  if (error.code !== "BucketAlreadyOwnedByYou") throw error;
}

function unlessMissing(error: S3Error): undefined {
  if (error.code !== "NoSuchKey") throw error;
}

/** Without this right avatars can be uploaded and shown, so the node is ready. */
function warnIfDenied(error: Error): string {
  if (error.cause instanceof MissingRight) return error.cause.message;
  throw error;
}
