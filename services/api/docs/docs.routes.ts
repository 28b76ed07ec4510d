import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { RouteNotFound } from "../../../lib/contract/errors.ts";
import { sendJson } from "../../../lib/http/answer.ts";
import type { Request } from "../gateway.types.ts";

/** The documents for developers: open to anyone (contract 9), and loaded when they are first requested. */

type Answer = (req: Request, res: ServerResponse) => Promise<unknown>;

/** moleculer-web ignores the rejection of an alias function, so it is passed to the gateway, which answers. */
const route = (answer: Answer) => (req: Request, res: ServerResponse, next: (error: unknown) => void) =>
  void answer(req, res).catch(next);

const openApi: Answer = async (req, res) => {
  const { openApi } = await import("./openapi.ts");
  sendJson(req, res, 200, openApi());
};

const asyncApi: Answer = async (req, res) => {
  const { asyncApi } = await import("./asyncapi.ts");
  sendJson(req, res, 200, asyncApi());
};

const OURS = join(import.meta.dirname, "page");
const SWAGGER = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

/** The page and its files; nothing is loaded from other hosts. */
const FILES = new Map([
  ["index.html", { folder: OURS, type: "text/html" }],
  ["docs.css", { folder: OURS, type: "text/css" }],
  ["docs.js", { folder: OURS, type: "text/javascript" }],
  ["swagger-ui.css", { folder: SWAGGER, type: "text/css" }],
  ["swagger-ui-bundle.js", { folder: SWAGGER, type: "text/javascript" }],
]);

/** Swagger UI writes style attributes and draws its icons from data URLs. */
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

async function sendFile(res: ServerResponse, name: string): Promise<void> {
  const file = FILES.get(name);
  if (!file) throw new RouteNotFound();
  const bytes = await readFile(join(file.folder, name));
  const type = `${file.type}; charset=utf-8`;
  res.writeHead(200, { ...HEADERS, "Content-Type": type, "Content-Length": bytes.length });
  res.end(bytes);
}

/** The gateway's routes outside the base path. */
export const DOCS_ROUTES = {
  "GET /openapi.json": route(openApi),
  "GET /asyncapi.json": route(asyncApi),
  "GET /docs": route((_req, res) => sendFile(res, "index.html")),
  "GET /docs/:file": route((req, res) => sendFile(res, String(req.$params.file))),
};
