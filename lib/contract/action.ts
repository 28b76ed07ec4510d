import type { ActionSchema, Context } from "moleculer";
import type { Access, Meta } from "./caller.ts";
import type { Field, Fields, Infer, InferAll, InferAllGiven } from "./fields.ts";
import { toParams } from "./fields.ts";

/** An action as its contract declares it. Everything else is derived: validation, types, route, documents. */
export type ActionContract<Params extends Fields = Fields, Result extends Field = Field> = {
  /** The REST route, such as `GET /users/:id`; undefined if other services only call the action. */
  rest?: `${"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} /${string}`;
  /** The status of a success, if it is not 200. "200 or 201": 201 if the action sets `meta.created`. */
  status?: 201 | "200 or 201";
  access: Access;
  /** A repeat with the same `Idempotency-Key` has no second effect (contract 21): its handler uses `once`. */
  idempotent?: true;
  params: Params;
  result: Result;
  /** The `action` of the log line that each success writes (contract 10). */
  logAs?: string;
  /** The level of that line, if it is not "info". */
  logLevel?: "debug";
  /** "public": for our own services only; the contract does not offer it to others. */
  visibility?: "public";
  retryPolicy?: ActionSchema["retryPolicy"];
  /** What the documents say of it. */
  operationId?: string;
  summary: string;
  /** Errors of its own, besides those that follow from its access and its params. */
  errors?: readonly Error[];
  /** A test executes it. */
  example?: { params: InferAllGiven<Params>; result?: Infer<Result> };
};
export type ActionContracts = Record<string, ActionContract>;

/** Declares an action. */
export const action = <Params extends Fields, Result extends Field>(
  contract: ActionContract<Params, Result>,
): ActionContract<Params, Result> => contract;

/** What the handler of an action gets. */
export type ActionContext<Contract extends ActionContract> = Context<InferAll<Contract["params"]>, Meta>;

type Handlers<Contracts extends ActionContracts> = {
  [Name in keyof Contracts]: (
    this: never,
    ctx: ActionContext<Contracts[Name]>,
  ) => Infer<Contracts[Name]["result"]> | Promise<Infer<Contracts[Name]["result"]>>;
};

/** The actions of a service: a handler for each declared one, with the params and the result that it declares. */
export function implement<Contracts extends ActionContracts>(
  contracts: Contracts,
  handlers: Handlers<Contracts>,
): Record<string, ActionSchema> {
  return Object.fromEntries(
    Object.entries(contracts).map(([name, contract]) => {
      const { access, logAs, logLevel, visibility, retryPolicy } = contract;
      const params = toParams(contract.params);
      const handler = handlers[name] as unknown as ActionSchema["handler"];
      return [name, { access, logAs, logLevel, visibility, retryPolicy, params, handler }];
    }),
  );
}

/** By the full name of each action, such as `users.get`: what its callers pass and get. */
export type ActionTypes<Service extends string, Contracts extends ActionContracts> = {
  [Name in keyof Contracts & string as `${Service}.${Name}`]: {
    params: InferAllGiven<Contracts[Name]["params"]>;
    result: Infer<Contracts[Name]["result"]>;
  };
};
