import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { freePort } from "./free-port.ts";

/** A request that an HTTP collector of spans or log lines received. */
export type Posted = { path: string; contentType: string; body: Buffer };

/** Starts a collector that keeps all requests. */
export async function startCollector() {
  const posted: Posted[] = [];
  const server = createServer(async (req, res) => {
    posted.push({
      path: req.url ?? "",
      contentType: req.headers["content-type"] ?? "",
      body: await buffer(req),
    });
    res.end();
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    posted,
    stop() {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
