import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { readConfig } from "../../lib/config/config.ts";
import { postUser, type ServiceProcess, spawnService } from "../helpers/process.ts";
import { startTlsPostgres, type TlsPostgres } from "../helpers/tls-postgres.ts";
import { waitFor } from "../helpers/wait-for.ts";

const ANY = "host all all all scram-sha-256";
const TLS_ONLY = "hostssl all all all scram-sha-256";
const CERTIFICATE = "hostssl all all all scram-sha-256 clientcert=verify-ca";

let postgres: TlsPostgres;
let nodes: ServiceProcess[] = [];
beforeAll(async () => {
  postgres = await startTlsPostgres();
}, 30_000);
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.remove()));
  nodes = [];
});
afterAll(() => postgres.stop());

type Env = Record<string, string>;

/** The variables, with the names of files replaced by their paths. */
const withFiles = (env: Env): Env => ({
  ...postgres.env,
  ...Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      /\.(crt|key)$/.test(value) ? postgres.file(value) : value,
    ]),
  ),
});

async function start(env: Env): Promise<ServiceProcess> {
  const node = await spawnService(withFiles(env));
  nodes.push(node);
  return node;
}

/** Whether a connection with these variables uses TLS. */
async function isEncrypted(env: Env): Promise<boolean> {
  const { host, port, name, user, password, ssl } = readConfig(withFiles(env)).database;
  const client = new pg.Client({ host, port, user, password, database: name, ssl: ssl && { ...ssl } });
  try {
    await client.connect();
    const { rows } = await client.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    return rows[0].ssl;
  } finally {
    await client.end().catch(() => {});
  }
}

describe("DATABASE_SSL_MODE has the meaning of libpq's sslmode:", () => {
  beforeAll(() => postgres.allow(ANY));

  test.each<[mode: string, what: string, env: Env, encrypted: boolean]>([
    ["disable", "without TLS", { DATABASE_SSL_CA: "ca.crt" }, false],
    ["require", "TLS with any certificate", { DATABASE_HOST: "localhost" }, true],
    ["verify-ca", "a certificate of the CA", { DATABASE_HOST: "localhost", DATABASE_SSL_CA: "ca.crt" }, true],
    ["verify-full", "a certificate of the CA for the host", { DATABASE_SSL_CA: "ca.crt" }, true],
  ])("%s connects: %s", async (DATABASE_SSL_MODE, _, env, encrypted) => {
    expect(await isEncrypted({ ...env, DATABASE_SSL_MODE })).toBe(encrypted);
  });

  test.each<[mode: string, what: string, env: Env, code: string]>([
    ["require", "another CA", { DATABASE_SSL_CA: "stranger.crt" }, "SELF_SIGNED|UNABLE_TO"],
    ["verify-ca", "another CA", { DATABASE_SSL_CA: "stranger.crt" }, "SELF_SIGNED|UNABLE_TO"],
    ["verify-ca", "a private CA, without DATABASE_SSL_CA", {}, "SELF_SIGNED|UNABLE_TO"],
    [
      "verify-full",
      "another host",
      { DATABASE_HOST: "localhost", DATABASE_SSL_CA: "ca.crt" },
      "ERR_TLS_CERT_ALTNAME_INVALID",
    ],
  ])("%s refuses a certificate of %s", async (DATABASE_SSL_MODE, _, env, code) => {
    await expect(isEncrypted({ ...env, DATABASE_SSL_MODE })).rejects.toMatchObject({
      code: expect.stringMatching(code),
    });
  });

  test("DATABASE_SSL=true means verify-full", async () => {
    expect(await isEncrypted({ DATABASE_SSL: "true", DATABASE_SSL_CA: "ca.crt" })).toBe(true);
    await expect(
      isEncrypted({ DATABASE_SSL: "true", DATABASE_SSL_CA: "ca.crt", DATABASE_HOST: "localhost" }),
    ).rejects.toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  });
});

describe("the start fails with one line that names the variable", () => {
  test.each<[what: string, name: string, rule: string, env: Env]>([
    [
      "the certificate is of another CA",
      "DATABASE_SSL_CA",
      ANY,
      { DATABASE_SSL_MODE: "verify-full", DATABASE_SSL_CA: "stranger.crt" },
    ],
    [
      "the certificate is for another host",
      "DATABASE_HOST",
      ANY,
      { DATABASE_SSL_MODE: "verify-full", DATABASE_SSL_CA: "ca.crt", DATABASE_HOST: "localhost" },
    ],
    ["the database demands TLS", "DATABASE_SSL_MODE", TLS_ONLY, {}],
    [
      "the database demands a client certificate",
      "DATABASE_SSL_CERT, DATABASE_SSL_KEY",
      CERTIFICATE,
      { DATABASE_SSL_MODE: "require" },
    ],
    [
      "the key is of another certificate",
      "DATABASE_SSL_CERT, DATABASE_SSL_KEY",
      CERTIFICATE,
      { DATABASE_SSL_MODE: "require", DATABASE_SSL_CERT: "client.crt", DATABASE_SSL_KEY: "ca.key" },
    ],
    ["no rule allows the user", "DATABASE_USER, DATABASE_NAME", "", { DATABASE_SSL_MODE: "require" }],
  ])("if %s: %s", async (_, name, rule, env) => {
    await postgres.allow(rule);
    const node = await start(env);
    expect(await node.ended).toBe(1);
    expect(node.printed()).toMatch(new RegExp(`^${name}: [^\n]+\n$`));
  });

  test("if the database has no TLS: DATABASE_SSL_MODE", async () => {
    await postgres.allow(ANY);
    await postgres.set("ssl", "off");
    try {
      const node = await start({ DATABASE_SSL_MODE: "require" });
      expect(await node.ended).toBe(1);
      expect(node.printed()).toMatch(/^DATABASE_SSL_MODE: [^\n]+\n$/);
    } finally {
      await postgres.set("ssl", "on");
    }
  });
});

test("a node with a client certificate serves, and answers with 503 while the server has a certificate of another CA", async () => {
  await postgres.allow(CERTIFICATE);
  const node = await start({
    DATABASE_SSL_MODE: "verify-full",
    DATABASE_SSL_CA: "ca.crt",
    DATABASE_SSL_CERT: "client.crt",
    DATABASE_SSL_KEY: "client.key",
  });
  await node.ready();
  expect((await postUser(node.url)).status).toBe(201);

  const useCertificate = async (name: string) => {
    await postgres.sql(`ALTER SYSTEM SET ssl_cert_file = '${postgres.file(`${name}.crt`)}'`);
    await postgres.set("ssl_key_file", postgres.file(`${name}.key`));
    await postgres.allow(CERTIFICATE); // also ends the connections
  };
  await useCertificate("stranger");
  for (let n = 0; n < 3; n++)
    expect(await postUser(node.url)).toMatchObject({ status: 503, retryAfter: expect.any(String) });
  await useCertificate("server");
  await waitFor(async () => (await postUser(node.url)).status === 201, 3_000);
});
