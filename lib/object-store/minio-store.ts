import http from "node:http";
import https from "node:https";
import { PassThrough } from "node:stream";
import type { Client } from "minio";
import { DependencyUnavailable } from "../contract/errors.ts";
import type { MinioConfig } from "../runtime/config.ts";
import type { ObjectStore } from "./object-store.types.ts";

/** How long the store may be silent, also while connecting, before it counts as unavailable; in ms. */
const SILENCE = 2_000;

/** In bytes, larger than our objects: otherwise a slow client would make the connection to the store time out. */
const READ_AHEAD = 2 ** 21;

/**
 * A bucket of MinIO or any other S3 as an object store. It connects on first use. If no region is configured, the
 * server is asked for it.
 */
export function minioStore(config: MinioConfig): ObjectStore {
  const { bucket } = config;
  let { region } = config;
  let client: Promise<Client> | undefined;

  /**
   * Every error means that the store is unavailable, since none is the caller's fault: wrong credentials, a missing
   * bucket, a full disk, a server that hangs.
   */
  const ask = async <Value>(question: (client: Client) => Promise<Value>): Promise<Value> => {
    try {
      client ??= connect({ ...config, region });
      return await question(await client).catch(async (error: S3Error) => {
        const named = regionNamedBy(error);
        if (config.region || !named) throw error;
        region = named;
        client = connect({ ...config, region });
        return question(await client);
      });
    } catch (cause) {
      throw Object.assign(new DependencyUnavailable("object store"), { cause });
    }
  };

  return {
    prepare: () =>
      ask(async (client) => {
        if (!(await client.bucketExists(bucket))) await client.makeBucket(bucket, region).catch(unlessOurs);
        // only our key can read the bucket
        return client.setBucketPolicy(bucket, "").then(() => undefined, warnIfDenied);
      }),

    check: () =>
      ask(async (client) => {
        if (!(await client.bucketExists(bucket))) throw new Error(`The bucket ${bucket} is missing`);
      }),

    async put(name, bytes, contentType) {
      await ask((client) =>
        client.putObject(bucket, name, bytes, bytes.length, { "Content-Type": contentType }),
      );
    },

    get: (name) =>
      ask(async (client) => {
        const answer = await client.getObject(bucket, name).catch(unlessMissing);
        if (!answer) return undefined;
        const body = new PassThrough({ highWaterMark: READ_AHEAD });
        answer.on("error", (error) => body.destroy(error)).pipe(body);
        return { body, length: Number((answer as http.IncomingMessage).headers["content-length"]) };
      }),

    async *list({ prefix = "", after = "" }) {
      const objects = await ask(async (client) => client.listObjectsV2(bucket, prefix, true, after));
      try {
        for await (const { name, lastModified } of objects)
          if (name && lastModified) yield { name, modifiedAt: lastModified };
      } catch (cause) {
        throw Object.assign(new DependencyUnavailable("object store"), { cause });
      }
    },

    async remove(names) {
      if (names.length === 0) return;
      const failed = await ask((client) => client.removeObjects(bucket, names));
      if (failed.length > 0) throw new DependencyUnavailable("object store");
    },
  };
}

/** Loads the library on first use, because that takes half a second. */
async function connect(config: MinioConfig): Promise<Client> {
  const { Client } = await import("minio");
  const { request, Agent } = config.useSSL ? https : http;
  return new Client({
    endPoint: config.endPoint,
    port: config.port,
    useSSL: config.useSSL,
    accessKey: config.accessKey,
    secretKey: config.secretKey,
    region: config.region,
    transportAgent: new Agent({ keepAlive: true, maxSockets: 64 }),
    transport: {
      request(options: http.RequestOptions, onResponse: (response: http.IncomingMessage) => void) {
        const req = request({ ...options, timeout: SILENCE }, onResponse);
        return req.on("timeout", () => req.destroy(new Error("The object store does not answer")));
      },
    } as typeof http,
    retryOptions: { disableRetry: true }, // the caller is waiting, and is answered with Retry-After
  });
}

type S3Error = Error & { code?: string; region?: string };

/** The region that a server names when it refuses a request signed for another region. */
const regionNamedBy = ({ code, region }: S3Error): string | undefined =>
  code === "AuthorizationHeaderMalformed" ? region : undefined;

/** Another node may have created it at the same time. */
function unlessOurs(error: S3Error): void {
  if (error.code !== "BucketAlreadyOwnedByYou") throw error;
}

/** A key without the right to change policies can still store objects; the operator is responsible for the policy. */
function warnIfDenied(error: S3Error): string {
  if (error.code !== "AccessDenied") throw error;
  return "The object store key may not set the bucket policy: check that the bucket is not public";
}

function unlessMissing(error: S3Error): undefined {
  if (error.code !== "NoSuchKey") throw error;
}
