import { glob } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import type { Middleware } from "moleculer";
import type { ActionContract, ActionContracts } from "../../lib/contract/action.ts";
import { toParams } from "../../lib/contract/params.ts";
import { compileCheck } from "../../lib/contract/validator.ts";

/** Returns the fault of a result, or "" if it has none. */
type Check = (result: unknown) => string;

const checkStream: Check = (result) =>
  result === null || result instanceof Readable ? "" : "must be a stream or null";

/** Creates the check of a declared result. */
function checkOf({ result: field }: Pick<ActionContract, "result">): Check {
  if (field.type === "image" || field.streamed) return checkStream;
  let validate: ReturnType<typeof compileCheck> | undefined; // compiled when it is first needed: a test calls few actions
  return (result) => {
    validate ??= compileCheck(toParams({ result: field }));
    const sent = JSON.stringify({ result });
    const copy = JSON.parse(sent); // a copy, because the validator normalizes its input
    const errors = validate(copy);
    if (errors.length > 0) return errors.map(({ field, message }) => `${field} ${message}`).join("; ");
    return JSON.stringify(copy) === sent ? "" : `result is not normalized: ${sent}`;
  };
}

const SERVICES = join(import.meta.dirname, "../../services");

/** The declared actions of all services, by the name of the service. */
export async function actionContracts(): Promise<Record<string, ActionContracts>> {
  const all = await Array.fromAsync(glob("*/*.contract.ts", { cwd: SERVICES }));
  const files = all.filter((file) => basename(file, ".contract.ts") === dirname(file)); // the parts of a list are checked, not the list itself
  const contracts = await Promise.all(
    files.map(async (file): Promise<[string, ActionContracts]> => {
      const { actions = {} } = await import(join(SERVICES, file));
      return [dirname(file), actions];
    }),
  );
  return Object.fromEntries(contracts);
}

/**
 * A middleware that checks what each action returns against its declared result. A call with another result fails.
 * The compiler checks the handlers too, but not what they read from outside, such as database rows.
 *
 * @param services the actions of each service, by its name
 */
export function checkResults(services: Record<string, ActionContracts>): Middleware {
  const checks = new Map(
    Object.entries(services).flatMap(([service, actions]) =>
      Object.entries(actions).map(([name, contract]) => [`${service}.${name}`, checkOf(contract)]),
    ),
  );
  return {
    localAction(next, { name = "", access }) {
      const check = checks.get(name);
      if (!check && access) throw new Error(`${name} has no contract in services/*/*.contract.ts`);
      if (!check) return next; // $node and the services of tests are not declared
      return async function (ctx) {
        const result = await next.call(this, ctx);
        const fault = check(result);
        if (fault) throw new Error(`${name} returned what its contract does not declare: ${fault}`);
        return result;
      };
    },
  };
}
