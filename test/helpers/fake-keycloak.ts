import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A user as the fake admin API returns it. */
export type Account = {
  id: string;
  username: string;
  email?: string;
  emailVerified: boolean;
  firstName?: string;
  lastName?: string;
  enabled: boolean;
};

/** A realm with an admin API like Keycloak's, whose faults a test sets. */
export type FakeKeycloak = {
  url: string;
  accounts: Map<string, Account>;
  /** Admin events and user events, oldest first. */
  adminEvents: { id: string; time: number; [field: string]: unknown }[];
  userEvents: { id: string; time: number; [field: string]: unknown }[];
  /** What it answers about the events that it saves. */
  eventsConfig: Record<string, unknown>;
  /** Requests of the admin API, as `GET users/1`. */
  requests: string[];
  /** The `dateFrom` of the requests for admin events. */
  sinces: number[];
  /** Answers a request itself if it returns true. */
  fault: (path: string, res: ServerResponse) => boolean;
  /** Ends the sessions of all tokens. */
  expireTokens(): void;
  add(account: Partial<Account>): Account;
  stop(): Promise<void>;
};

const json = (res: ServerResponse, status: number, body: unknown) =>
  void res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

/** Starts it. */
export async function startFakeKeycloak(): Promise<FakeKeycloak> {
  let tokens = 0;
  const fake: FakeKeycloak = {
    url: "",
    accounts: new Map(),
    adminEvents: [],
    userEvents: [],
    eventsConfig: { eventsEnabled: true, adminEventsEnabled: true },
    requests: [],
    sinces: [],
    fault: () => false,
    expireTokens: () => void tokens++,
    add(account) {
      const id = account.id ?? crypto.randomUUID();
      const username = account.username ?? `u-${id}`;
      const email = `${id}@example.com`;
      const whole = { email, emailVerified: true, firstName: "Ada", lastName: "King", enabled: true };
      const added = { ...whole, ...account, id, username };
      fake.accounts.set(id, added);
      return added;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? "", "http://fake");
    if (pathname.endsWith("/token")) return json(res, 200, { access_token: String(tokens), expires_in: 300 });
    const path = pathname.replace("/admin/realms/test/", "");
    fake.requests.push(path);
    if (fake.fault(path, res)) return;
    if (req.headers.authorization !== `Bearer ${tokens}`) return json(res, 401, { error: "HTTP 401" });
    const first = Number(searchParams.get("first"));
    const page = <Item>(items: Item[]) => items.slice(first, first + Number(searchParams.get("max")));
    const since = <Item extends { time: number }>(events: Item[]) =>
      events.filter(({ time }) => time >= Number(searchParams.get("dateFrom")));
    if (path === "users/count") return json(res, 200, fake.accounts.size);
    if (path === "users") return json(res, 200, page([...fake.accounts.values()]));
    if (path === "admin-events") fake.sinces.push(Number(searchParams.get("dateFrom")));
    if (path === "admin-events") return json(res, 200, page(since(fake.adminEvents)));
    if (path === "events") return json(res, 200, page(since(fake.userEvents)));
    if (path === "events/config") return json(res, 200, fake.eventsConfig);
    const account = fake.accounts.get(decodeURIComponent(path.replace("users/", "")));
    return account ? json(res, 200, account) : json(res, 404, { error: "User not found" });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}
