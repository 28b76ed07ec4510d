import { query } from "../../models/database.ts";
import type { Receipt, ReceiptOutcome } from "./users.contract.ts";

/**
 * Records the answers of other services to erasures (contract 25), each once.
 * @returns an outcome for each receipt
 * @throws DependencyUnavailable
 */
export async function insertReceipts(receipts: Receipt[]): Promise<ReceiptOutcome[]> {
  const text = `
    WITH given AS (
      SELECT * FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS given (erasure_id, service, n)
    ), added AS (
      INSERT INTO erasure_receipts (erasure_id, service)
      SELECT DISTINCT erasure_id, service FROM given WHERE erasure_id IN (SELECT id FROM erasures)
      ON CONFLICT DO NOTHING RETURNING erasure_id, service
    )
    SELECT erasures.id IS NOT NULL AS known, added.service IS NOT NULL
      AND row_number() OVER (PARTITION BY given.erasure_id, given.service ORDER BY n) = 1 AS new
    FROM given LEFT JOIN erasures ON erasures.id = given.erasure_id
    LEFT JOIN added ON added.erasure_id = given.erasure_id AND added.service = given.service
    ORDER BY n`;
  const rows = await query<{ known: boolean; new: boolean }>({ name: "insert-receipts", text }, [
    receipts.map(({ erasureId }) => erasureId),
    receipts.map(({ service }) => service),
  ]);
  return rows.map((row) => (row.new ? "applied" : row.known ? "duplicate" : "unknown-erasure"));
}
