import { authenticate, COLUMNS, pool, present, type Row, send, serve } from "./bare.ts";

/** `GET /api/v1/users/:id` with only node:http and pg. */

const PATH = /^\/api\/v1\/users\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

const FIND = {
  name: "find-user",
  text: `SELECT ${COLUMNS} FROM users WHERE id = $1 AND deleted_at IS NULL`,
};

serve(async (req, res) => {
  const user = await authenticate(req);
  const id = PATH.exec(req.url ?? "")?.[1];
  if (req.method !== "GET" || !id) return send(res, 400, { message: "Validation failed" });
  const { rows } = await pool.query<Row>({ ...FIND, values: [id] });
  const [row] = rows;
  if (!row) return send(res, 404, { message: "Not found" });
  if (!user.admin && user.sub !== row.keycloak_id) return send(res, 403, { message: "Forbidden" });
  send(res, 200, present(row));
});
