import { readdirSync } from "node:fs";
import type http from "node:http";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import type { Service } from "moleculer";
import { connections } from "./request.ts";
import type { TestService } from "./service.ts";

type Tracking = Service & { _trackedContexts?: unknown[] };
type Gateway = Service & { server: http.Server };

export const NOTHING = { calls: 0, connections: 0, temporaryFiles: 0 };

/** Counts the leaks of requests in this process: running calls, open connections, temporary files. */
export async function leftBehind({ broker }: TestService): Promise<typeof NOTHING> {
  for (const kept of Object.values(connections.freeSockets).flat()) kept?.destroy(); // opened by the tests themselves
  const { server } = broker.getLocalService("api") as Gateway;
  const calls = (broker.services as Tracking[]).flatMap(({ _trackedContexts = [] }) => _trackedContexts);
  return {
    calls: calls.length,
    connections: await promisify(server.getConnections.bind(server))(),
    temporaryFiles: readdirSync(tmpdir()).filter((name) => name.startsWith("vips-")).length,
  };
}
