import http from "node:http";
import type { AddressInfo } from "node:net";

/** Answers of the admin API that replace Keycloak's. `empty` is Keycloak's own answer for a realm without users. */
export const FAULTS = ["empty", "error", "cut", "login page"] as const;
export type Fault = (typeof FAULTS)[number];

/** A realm with the client of the mirror and no users. */
export const EMPTY_REALM = "empty";

export type KeycloakProxy = { url: string; fault: Fault | undefined; stop(): Promise<void> };

/** Starts a proxy in front of Keycloak that breaks the admin API while a fault is set. */
export async function startKeycloakProxy(issuer: string): Promise<KeycloakProxy> {
  const { origin, pathname } = new URL(issuer);
  const realm = pathname.split("/").at(-1) ?? "";
  const server = http.createServer((req, res) => {
    const { fault } = proxy;
    const isAdmin = req.url?.startsWith("/admin/");
    if (isAdmin && fault === "error") return void res.writeHead(500).end('{"error":"unknown_error"}');
    if (isAdmin && fault === "login page")
      return void res.writeHead(200, { "content-type": "text/html" }).end("<html>Sign in</html>");
    const path =
      fault === "empty" ? req.url?.replace(`/realms/${realm}/`, `/realms/${EMPTY_REALM}/`) : req.url;
    const headers = { ...req.headers, host: new URL(origin).host };
    const asked = http.request(`${origin}${path}`, { method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      if (isAdmin && fault === "cut") answer.once("data", (part) => cut(res, part)).on("error", () => {});
      else answer.pipe(res);
    });
    asked.on("error", () => res.destroy());
    req.pipe(asked);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: KeycloakProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: undefined,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}

/** Closes the connection in the middle of an answer. */
const cut = (res: http.ServerResponse, part: Buffer): void =>
  void res.write(part.subarray(0, part.length / 2), () => res.destroy());
