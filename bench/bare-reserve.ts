import type { IncomingMessage } from "node:http";
import { pool, send, serve } from "./bare.ts";

/**
 * `POST /api/v1/users/:id/quota/reservations` of storage as one statement. Its sum is as old as the statement: a
 * reservation that was committed while it waited for the lock is missed, so it can exceed the limit.
 */

const PATH = /^\/api\/v1\/users\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/quota\/reservations$/i;

const RESERVE = {
  name: "reserve",
  text: `
    WITH locked AS (
      SELECT max_storage AS quota, storage_used AS used FROM users
      WHERE id = $1::uuid AND deleted_at IS NULL FOR UPDATE
    ), reserved AS (
      SELECT coalesce(sum(amount), 0) AS amount FROM quota_reservations
      WHERE user_id = $1::uuid AND resource = 'storage' AND state = 'open' AND expires_at > now()
    )
    INSERT INTO quota_reservations (user_id, resource, amount, expires_at)
    SELECT $1::uuid, 'storage', $2::bigint, now() + $3::integer * interval '1 second' FROM locked, reserved
    WHERE used + reserved.amount + $2::bigint <= quota
    RETURNING id, expires_at, (SELECT quota - used - reserved.amount - $2::bigint FROM locked, reserved) AS remaining`,
};

serve(async (req, res) => {
  if (req.headers["x-internal-token"] !== process.env.INTERNAL_TOKEN) throw new Error("Invalid token");
  const userId = PATH.exec(req.url ?? "")?.[1];
  const { resource, amount = 1, ttl = 900 } = JSON.parse(await readBody(req));
  const isGood = resource === "storage" && amount > 0 && ttl > 0 && ttl <= 86_400;
  if (req.method !== "POST" || !userId || !isGood) return send(res, 400, { message: "Validation failed" });
  const { rows } = await pool.query({ ...RESERVE, values: [userId, amount, ttl] });
  const [row] = rows;
  if (!row) return send(res, 409, { message: "Quota exceeded" });
  const { id, expires_at, remaining } = row;
  send(res, 201, { reservationId: id, userId, resource, amount, expiresAt: expires_at, remaining });
});

async function readBody(req: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of req.setEncoding("utf8")) body += chunk;
  return body;
}
