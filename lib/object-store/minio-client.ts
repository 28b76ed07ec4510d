import http from "node:http";
import https from "node:https";
import type { Client } from "minio";
import type { MinioConfig } from "../config/config.ts";
import { openOnce, within } from "../runtime/tasks.ts";
import { type Right, type S3Error, storeUnavailable } from "./minio-rights.ts";

/** How long the store may be silent, also while connecting, before it counts as unavailable; in ms. */
const SILENCE = 2_000;

/** Asks the server something that needs a right. */
type Ask = <Value>(right: Right, question: (client: Client) => Promise<Value>) => Promise<Value>;

type Credentials = { accessKey: string; secretKey: string; sessionToken?: string };

/**
 * Connects to an S3 server on first use. If no region is configured, it is that of the server: a question is repeated
 * once if the server names another one in its refusal.
 * @throws DependencyUnavailable
 */
export function connectMinio(config: MinioConfig): Ask {
  const { Agent } = config.useSSL ? https : http;
  const transportAgent = new Agent({ keepAlive: true, maxSockets: 64 });
  const credentials = config.useIAM ? roleCredentials() : async () => config;
  let { region } = config;
  let open: { client: Client; accessKey: string; region?: string } | undefined;

  async function connected(): Promise<Client> {
    const { accessKey, secretKey, sessionToken } = await credentials();
    if (open?.accessKey === accessKey && open.region === region) return open.client;
    const { Client } = await import("minio"); // takes half a second
    const client = new Client({
      ...config,
      accessKey,
      secretKey,
      sessionToken,
      region,
      transport: transportOf(config),
      transportAgent,
      retryOptions: { disableRetry: true }, // the caller is waiting, and is answered with Retry-After
    });
    open = { client, accessKey, region };
    return client;
  }

  return async (right, question) => {
    try {
      return await question(await connected()).catch(async (error: S3Error) => {
        if (config.region || !error.region || error.region === region) throw error;
        region = error.region;
        return question(await connected());
      });
    } catch (cause) {
      throw storeUnavailable(right, cause as S3Error);
    }
  };
}

const transportOf = ({ useSSL }: MinioConfig) =>
  ({
    request(options: http.RequestOptions, onResponse: (response: http.IncomingMessage) => void) {
      const { request } = useSSL ? https : http;
      const req = request({ ...options, timeout: SILENCE }, onResponse);
      return req.on("timeout", () => req.destroy(new Error("The object store does not answer")));
    },
  }) as typeof http;

/**
 * The temporary credentials of the role that the platform gives to this process: a Kubernetes service account, a
 * container, an instance. AWS's library finds them by its own AWS_ variables and renews them before they expire.
 */
function roleCredentials(): () => Promise<Credentials> {
  const requestHandler = { requestTimeout: SILENCE, connectionTimeout: SILENCE };
  const provider = openOnce(async () => {
    const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
    return defaultProvider({ maxRetries: 0, clientConfig: { maxAttempts: 1, requestHandler } });
  });
  return async () => {
    const provide = await provider.get();
    const role = await within(SILENCE, provide());
    if (!role) throw new Error("The platform does not answer with credentials of a role");
    const { accessKeyId, secretAccessKey, sessionToken } = role;
    return { accessKey: accessKeyId, secretKey: secretAccessKey, sessionToken };
  };
}
