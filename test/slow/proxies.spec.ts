import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { uploadOf } from "../helpers/form.ts";
import { freePort } from "../helpers/free-port.ts";
import { jpeg, jpegSegment, withSegments } from "../helpers/images.ts";
import { INTERNAL_TOKEN, type ServiceProcess, spawnService, statusOf } from "../helpers/process.ts";
import { request } from "../helpers/request.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** The examples in ops/ for proxies, each in front of two nodes. Only the addresses are changed. */

const OPS = join(import.meta.dirname, "../../ops");

type Proxy = {
  name: string;
  example: string;
  /** A command that succeeds if the proxy is installed. */
  probe: string[];
  args: (config: string, folder: string) => string[];
  /** Removes a node from the proxy before it stops, unless the proxy notices by itself that it is not ready. */
  takeOut?: (config: string, address: string, proxy: ChildProcess) => Promise<void>;
};
const PROXIES: Proxy[] = [
  {
    name: "nginx",
    example: "nginx/nginx.conf",
    probe: ["-t"],
    args: (config, folder) => ["-c", config, "-g", `daemon off; pid ${folder}/pid; error_log ${folder}/log;`],
    async takeOut(config, address, proxy) {
      const text = await readFile(config, "utf8");
      await writeFile(config, text.replace(address, `${address} down`));
      proxy.kill("SIGHUP");
      await sleep(500);
    },
  },
  {
    name: "envoy",
    example: "envoy/envoy.yaml",
    probe: ["--version"],
    args: (config) => ["-c", config, "--log-level", "error", "--use-dynamic-base-id"],
  },
];

/** The example, listening on `port`, in front of these nodes. */
function withAddresses(example: string, port: number, nodes: ServiceProcess[]): string {
  return nodes.reduce(
    (text, { url }, index) => {
      const [host, port] = [`api-${index + 1}`, new URL(url).port];
      return text
        .replace(`${host}:3003`, `127.0.0.1:${port}`)
        .replace(`address: ${host}, port_value: 3003`, `address: 127.0.0.1, port_value: ${port}`);
    },
    example.replace(/(listen|port_value:) 8080/, `$1 ${port}`),
  );
}

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), "user-service-proxies-"));
});
afterAll(async () => {
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

describe.each(PROXIES)("Behind $name", ({ name, example, probe, args, takeOut }) => {
  const runs = spawnSync(name, probe).status === 0;
  if (!runs) console.warn(`Skipped: ${name} is not installed, or this user may not run it`);
  const testIt = runs ? test : test.skip;

  const nodes: ServiceProcess[] = [];
  let proxy: ChildProcess;
  let config: string;
  let url: string;
  let authorization: string;

  beforeAll(async () => {
    if (!runs) return;
    // shared, so that both nodes accept the tokens of the first one
    const env = { ...database.env, DATA_DIR: join(folder, `${name}-data`), HTTP_STOP_NOTICE_SECONDS: "3" };
    for (const _ of ["api-1", "api-2"]) {
      const node = await spawnService({ ...env, LOG_LEVEL: "fatal" });
      nodes.push(node);
      await node.ready();
    }
    authorization = `Bearer ${/Bearer ([^"]+)"/.exec(nodes[0]?.printed() ?? "")?.[1]}`;
    const port = await freePort();
    config = join(folder, basename(example)); // Envoy recognises the format by the file name
    await writeFile(config, withAddresses(await readFile(join(OPS, example), "utf8"), port, nodes));
    proxy = spawn(name, args(config, folder), { stdio: "inherit" });
    url = `http://127.0.0.1:${port}`;
    await waitFor(async () => (await statusOf(`${url}/health/ready`)) === 200);
  });
  afterAll(async () => {
    proxy?.kill("SIGTERM");
    for (const node of nodes) await node.remove();
  });

  /** Uses a new connection, because nginx closes idle ones when it reloads its configuration. */
  async function createUser() {
    const keycloakId = crypto.randomUUID();
    const body = { keycloakId, email: `${keycloakId}@example.com`, profile: { fullName: "Ada" } };
    return request(url, { method: "POST", path: "/api/v1/users", headers: { authorization }, body }, false);
  }
  async function upload(file: Buffer) {
    const { body } = await createUser();
    const form = uploadOf(body.id, file);
    return request(url, { ...form, headers: { ...form.headers, authorization } });
  }

  testIt("a file of almost 5 MB is accepted", async () => {
    const comments = Array.from({ length: 78 }, () => jpegSegment(0xfe, Buffer.alloc(65_000)));
    const file = withSegments(await jpeg(), ...comments);
    expect(file.length).toBeGreaterThan(4.8 * 2 ** 20);
    expect((await upload(file)).status).toBe(200);
  });

  testIt("a file of 6 MB is refused with the answer of the service, not of the proxy", async () => {
    const { status, body } = await upload(Buffer.alloc(6 * 2 ** 20));
    expect(body).toMatchObject({ statusCode: 413, error: expect.any(String) });
    expect(status).toBe(413);
  });

  testIt("/metrics is hidden, and an internal token from outside is ignored", async () => {
    expect(await statusOf(`${url}/metrics`)).toBe(404);
    const headers = { "x-internal-token": INTERNAL_TOKEN };
    expect((await request(url, { path: "/api/v1/users", headers })).status).toBe(401);
  });

  testIt("no request fails while one of two nodes stops", async () => {
    let isOver = false;
    const statuses: number[] = [];
    const caller = async () => {
      while (!isOver) statuses.push((await createUser()).status);
    };
    const callers = Promise.all(Array.from({ length: 4 }, caller));
    await sleep(500);
    const [node] = nodes as [ServiceProcess];
    await takeOut?.(config, new URL(node.url).host, proxy);
    node.child.kill("SIGTERM");
    expect(await node.ended).toBe(0);
    await sleep(500);
    isOver = true;
    await callers;
    expect(statuses.length).toBeGreaterThan(100);
    expect(statuses.filter((status) => status !== 201)).toEqual([]);
  });
});
