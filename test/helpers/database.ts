import pg from "pg";

/** The address of the test server, from test/helpers/global-setup.ts. */
const server = (): pg.ClientConfig => JSON.parse(process.env.TEST_DATABASE ?? "{}");

async function asAdmin<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ ...server(), database: "postgres" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export type TestDatabase = {
  /** The environment that points a service at this database: as the role `runtime`, or as a superuser if it is empty. */
  env: Record<string, string>;
  /** Runs SQL with the service's schema as the search path; returns the rows. */
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Begins a transaction on a connection of its own. Ending the connection rolls it back. */
  begin(): Promise<pg.Client>;
  /** Whether a query waits for a lock. */
  someoneWaits(): Promise<boolean>;
  /** Closes all connections of the service, as a restart of the server does. */
  cutConnections(): Promise<void>;
  drop(): Promise<void>;
};

/**
 * Creates a database: a clone of the migrated one, or an empty one (`migrated: false`). `locale` are options of
 * CREATE DATABASE, for an empty one only.
 */
export async function createDatabase({ migrated = true, locale = "" } = {}): Promise<TestDatabase> {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const template = migrated ? "template_users" : "template0";
  // CREATE DATABASE … TEMPLATE fails while another clone is in progress
  await asAdmin(async (client) => {
    await client.query("SELECT pg_advisory_lock(1)");
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} ${locale}`);
  });
  const { host, port, user, password } = server();
  const role = migrated ? { user: "runtime", password: "runtime" } : { user, password };
  const connection = { ...server(), database: name, options: "-c search_path=user_service,public" };
  const pool = new pg.Pool({ ...connection, max: 2 });
  pool.on("error", () => {});
  return {
    env: {
      DATABASE_HOST: String(host),
      DATABASE_PORT: String(port),
      DATABASE_USER: String(role.user),
      DATABASE_PASSWORD: String(role.password),
      DATABASE_NAME: name,
    },
    sql: async (text, values) => (await pool.query(text, values)).rows,
    async begin() {
      const client = new pg.Client(connection);
      await client.connect();
      await client.query("BEGIN");
      return client;
    },
    async someoneWaits() {
      const waiting =
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
      return (await pool.query(waiting)).rows.length > 0;
    },
    cutConnections: () =>
      asAdmin(async (client) => {
        await client.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'user-service'",
          [name],
        );
      }),
    async drop() {
      await pool.end();
      await asAdmin((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
    },
  };
}
