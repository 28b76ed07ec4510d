import http from "node:http";
import https from "node:https";
import type { Client } from "minio";
import type { MinioConfig } from "../runtime/config.ts";

/** How long the store may be silent, also while connecting, before it counts as unavailable; in ms. */
const SILENCE = 2_000;

/** Opens a client for the store. Loads the library on first use, because that takes half a second. */
export async function openMinio(config: MinioConfig): Promise<Client> {
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
