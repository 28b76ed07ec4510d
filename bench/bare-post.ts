import {
  authenticate,
  COLUMNS,
  envelope,
  isText,
  pool,
  present,
  type Row,
  readBody,
  send,
  serve,
} from "./bare.ts";

/** `POST /api/v1/users` with only node:http and pg: row and event in one statement. */

const INSERT = {
  name: "insert-user",
  text: `
    WITH created AS (
      INSERT INTO users (id, keycloak_id, email, full_name, company_name, phone, bio, created_at, updated_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
      RETURNING *
    ), event AS (
      INSERT INTO outbox (topic, key, value) SELECT 'user-events', id, $9::json FROM created
    )
    SELECT ${COLUMNS} FROM created`,
};

serve(async (req, res) => {
  const user = await authenticate(req);
  const { keycloakId, email, profile } = JSON.parse(await readBody(req));
  const { fullName, companyName = null, phone = null, bio = null } = profile;
  const isGood = isText(keycloakId, 255) && isText(email, 255) && EMAIL.test(email) && isText(fullName, 100);
  if (req.method !== "POST" || !isGood) return send(res, 400, { message: "Validation failed" });
  if (!user.admin && user.sub !== keycloakId) return send(res, 403, { message: "Forbidden" });

  const id = crypto.randomUUID();
  const now = new Date();
  const event = envelope("user.created", id, now, {
    keycloakId,
    email,
    fullName,
    createdAt: now.toISOString(),
  });
  const values = [id, keycloakId, email, fullName, companyName, phone, bio, now, JSON.stringify(event)];
  const { rows } = await pool.query<Row>({ ...INSERT, values });
  for (const row of rows) send(res, 201, present(row));
});

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
