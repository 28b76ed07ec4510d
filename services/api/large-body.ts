import type { IncomingMessage } from "node:http";
import { ValidationFailed } from "../../lib/contract/errors.ts";
import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";
import { REST_ACTIONS } from "../contracts.ts";

/**
 * A large body can exceed a Kafka message and would then fail with 503 between two nodes. A valid body is far smaller,
 * so a large one is validated here, before it is sent.
 */

/** In bytes. */
const LARGE = 100_000;

/** The length of a chunked body is not known in advance. */
export const isLarge = ({ headers }: IncomingMessage): boolean =>
  Number(headers["content-length"] ?? Number.POSITIVE_INFINITY) > LARGE;

/** @throws ValidationFailed, as the action itself would */
export function demandValid(action: string, params: object): void {
  const contract = REST_ACTIONS.find(([name]) => name === action)?.[1];
  if (!contract) return;
  const details = compileCheck(toParams(contract.params))(params);
  if (details.length > 0) throw new ValidationFailed(details);
}
