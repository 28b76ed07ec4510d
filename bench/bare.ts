import { readFileSync } from "node:fs";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { importJWK, jwtVerify } from "jose";
import pg from "pg";

/**
 * Shared code of the bare programs: the simplest servers that do the required work, as references for the service. No
 * framework, logs, metrics, tracing or error format.
 */

const {
  DATA_DIR = "",
  DATABASE_HOST,
  DATABASE_PORT,
  DATABASE_USER,
  DATABASE_PASSWORD,
  DATABASE_NAME,
} = process.env;

export const pool = new pg.Pool({
  host: DATABASE_HOST,
  port: Number(DATABASE_PORT),
  user: DATABASE_USER,
  password: DATABASE_PASSWORD,
  database: DATABASE_NAME,
  max: Number(process.env.DATABASE_POOL_MAX),
  options: `-c search_path=${process.env.DATABASE_SCHEMA},public`,
});

/** The same check as the service's (services/api/token.ts), with the same key and options. */
const CHECK = {
  algorithms: ["RS256", "PS256", "ES256"],
  issuer: "urn:user-service:development",
  audience: "user-service",
  requiredClaims: ["sub", "exp"],
  clockTolerance: 5,
};
const { d: _private, ...jwk } = JSON.parse(readFileSync(join(DATA_DIR, "development-key.json"), "utf8"));
const key = await importJWK(jwk, "ES256");

type User = { sub?: string; admin: boolean };

/**
 * The service remembers valid tokens for a while. With REMEMBER_TOKENS, this program keeps all of them, to be
 * comparable.
 */
const remembered = process.env.REMEMBER_TOKENS ? new Map<string, User>() : undefined;

/** The user of the request's token; rejects if it is not valid. */
export async function authenticate(req: IncomingMessage): Promise<User> {
  const token = (req.headers.authorization ?? "").slice("Bearer ".length);
  const known = remembered?.get(token);
  if (known) return known;
  const { payload } = await jwtVerify<{ realm_access?: { roles?: string[] } }>(token, key, CHECK);
  const user = { sub: payload.sub, admin: payload.realm_access?.roles?.includes("admin") ?? false };
  remembered?.set(token, user);
  return user;
}

export function send(res: ServerResponse, status: number, body: object): void {
  const json = JSON.stringify(body);
  res.writeHead(status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(json),
  });
  res.end(json);
}

/**
 * Serves until the process is killed. Every error is answered as a bad token, because only valid requests are measured.
 */
export function serve(handle: (req: IncomingMessage, res: ServerResponse) => Promise<void>): void {
  http
    .createServer((req, res) => handle(req, res).catch((error) => send(res, 401, { message: error.message })))
    .listen(Number(process.env.PORT), "127.0.0.1");
}

/** A row of `users`, as far as answers show it. */
export type Row = Record<
  "id" | "keycloak_id" | "email" | "full_name" | "company_name" | "phone" | "bio" | "avatar_url",
  string
> & {
  interviews_created: number;
  storage_used: string;
  max_interviews: number;
  max_storage: string;
  created_at: Date;
  updated_at: Date;
};

export const COLUMNS =
  "id, keycloak_id, email, full_name, company_name, phone, bio, avatar_url, interviews_created, storage_used, max_interviews, max_storage, created_at, updated_at";

/** The same JSON as in the service's answer. */
export const present = (row: Row) => ({
  id: row.id,
  keycloakId: row.keycloak_id,
  email: row.email,
  profile: {
    fullName: row.full_name,
    companyName: row.company_name,
    phone: row.phone,
    bio: row.bio,
    avatarUrl: row.avatar_url,
  },
  stats: { interviewsCreated: row.interviews_created, storageUsed: Number(row.storage_used) },
  quotas: { maxInterviews: row.max_interviews, maxStorage: Number(row.max_storage) },
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

export const isText = (value: unknown, max: number): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= max;

export async function readBody(req: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of req.setEncoding("utf8")) body += chunk;
  return body;
}

/** The same envelope as in the service's events. */
export const envelope = (eventType: string, userId: string, now: Date, data: object) => ({
  eventId: crypto.randomUUID(),
  eventType,
  timestamp: now.toISOString(),
  userId,
  data,
  metadata: {
    service: "user-service",
    version: "1.0.0",
    correlationId: crypto.randomUUID().replaceAll("-", ""),
  },
});
