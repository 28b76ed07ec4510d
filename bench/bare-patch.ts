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

/** `PATCH /api/v1/users/:id` of a bio with only node:http and pg: row and event in one statement. */

const PATH = /^\/api\/v1\/users\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

const UPDATE = {
  name: "update-user",
  text: `
    WITH changed AS (
      UPDATE users SET bio = $2, updated_at = $3, version = version + 1
      WHERE id = $1 AND deleted_at IS NULL AND (keycloak_id = $4 OR $5)
      RETURNING *
    ), event AS (
      INSERT INTO outbox (topic, key, value) SELECT 'user-events', id, $6::json FROM changed
    )
    SELECT ${COLUMNS} FROM changed`,
};

serve(async (req, res) => {
  const user = await authenticate(req);
  const id = PATH.exec(req.url ?? "")?.[1];
  const { bio } = JSON.parse(await readBody(req)).profile;
  if (req.method !== "PATCH" || !id || !isText(bio, 2000))
    return send(res, 400, { message: "Validation failed" });
  const now = new Date();
  const event = envelope("user.updated", id, now, { changes: { bio } });
  const values = [id, bio, now, user.sub, user.admin, JSON.stringify(event)];
  const { rows } = await pool.query<Row>({ ...UPDATE, values });
  const [row] = rows;
  if (row) send(res, 200, present(row));
  else send(res, 404, { message: "Not found" });
});
