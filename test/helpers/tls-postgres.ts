import { execFile } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { startEmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { findBinaries, provideBinaries } from "../../lib/postgres/postgres-binaries.ts";
import { PostgresServer } from "../../lib/postgres/postgres-server.ts";
import { freePort } from "./free-port.ts";

const run = promisify(execFile);

/** A PostgreSQL with TLS on 127.0.0.1, whose certificate is for that address only. */
export type TlsPostgres = {
  /** The environment that points a service at it, without TLS. */
  env: Record<string, string>;
  /** The path of a file: `ca.crt`, `server.crt`, `client.crt`, `client.key`, or `stranger.crt` of another authority. */
  file(name: string): string;
  /** Runs SQL as a superuser. */
  sql(text: string): Promise<pg.QueryResult>;
  /** Changes a setting of the server. */
  set(name: string, value: string): Promise<void>;
  /** Replaces the rules for connections over TCP, and ends those that are open. */
  allow(rule: string): Promise<void>;
  stop(): Promise<void>;
};

/** Starts it, with its own certificate authority. */
export async function startTlsPostgres(): Promise<TlsPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "user-service-tls-"));
  await chmod(dataDir, 0o755); // lets PostgreSQL's account enter it if root runs the tests
  const { stop: stopFirst, ...login } = await startEmbeddedPostgres({ dataDir, database: "users" });
  await stopFirst(); // the server has no port
  const cluster = join(dataDir, "cluster");
  const account = await stat(cluster);
  const file = await createCertificates(join(dataDir, "tls"), account);
  const port = await freePort();
  const server = new PostgresServer({
    binaries: await provideBinaries(findBinaries(), dataDir, account),
    data: join(cluster, "data"),
    socketFolder: login.host,
    logFile: join(cluster, "postgres.log"),
    account,
    settings: { listen_addresses: "127.0.0.1", port: String(port), fsync: "off" },
  });
  await server.start();
  const client = new pg.Client({ ...login, port });
  await client.connect();

  const reload = () => client.query("SELECT pg_reload_conf(), pg_sleep(0.3)");
  const set = async (name: string, value: string) => {
    await client.query(`ALTER SYSTEM SET ${name} = '${value}'`);
    await reload();
  };
  await set("ssl_ca_file", file("ca.crt"));
  await set("ssl_cert_file", file("server.crt"));
  await set("ssl_key_file", file("server.key"));
  await set("ssl", "on");
  return {
    env: {
      DATABASE_HOST: "127.0.0.1",
      DATABASE_PORT: String(port),
      DATABASE_USER: login.user,
      DATABASE_PASSWORD: login.password,
      DATABASE_NAME: login.database,
    },
    file,
    sql: (text) => client.query(text),
    set,
    async allow(rule) {
      const local = "local all all scram-sha-256";
      await writeFile(join(cluster, "data/pg_hba.conf"), `${local}\n${rule}\n`);
      await reload();
      await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port > 0 AND pid <> pg_backend_pid()",
      );
    },
    async stop() {
      await client.end();
      await server.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Creates an authority with certificates for a server and a client, and a self-signed one. Returns their paths. */
async function createCertificates(
  folder: string,
  { uid, gid }: { uid: number; gid: number },
): Promise<(name: string) => string> {
  await mkdir(folder);
  const create = (name: string, ...more: string[]) =>
    run(
      "openssl",
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout ${name}.key -out ${name}.crt`
        .split(" ")
        .concat("-subj", `/CN=${name}`, more),
      { cwd: folder },
    );
  const signed = ["-CA", "ca.crt", "-CAkey", "ca.key"];
  await create("ca");
  await create("stranger", "-addext", "subjectAltName=IP:127.0.0.1");
  await create("server", ...signed, "-addext", "subjectAltName=IP:127.0.0.1");
  await create("client", ...signed);
  for (const key of ["server.key", "stranger.key"]) await chown(join(folder, key), uid, gid);
  return (name) => join(folder, name);
}
