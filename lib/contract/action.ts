import type { ActionSchema, Context } from "moleculer";
import type { Access, Meta } from "./caller.ts";
import type { Field, Fields, Infer, InferAll, InferAllGiven } from "./fields.ts";
import { toParams } from "./params.ts";

/** An action as its contract declares it. Validation, types, REST route and documents are derived from it. */
export type ActionContract<Params extends Fields = Fields, Result extends Field = Field> = {
  /** The REST route, such as `GET /users/:id`; undefined if other services only call the action. */
  rest?: `${"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} /${string}`;
  /** The status of a success, if not 200. "200 or 201": 201 if the action sets `meta.created`. */
  status?: 201 | 202 | "200 or 201";
  /** The path of a created resource, with fields of its result, if it is not the user. */
  location?: `/${string}`;
  access: Access;
  /** Suspended users may call it for themselves (contract 27). */
  whileSuspended?: true;
  /** A repeat with the same `Idempotency-Key` has no second effect (contract 21): its handler uses `once`. */
  idempotent?: true;
  params: Params;
  result: Result;
  /** The `action` of the log line of each success (contract 10), unless the handler sets `ctx.locals.hadNoEffect`. */
  logAs?: string;
  /** The level of that line, if it is not "info". */
  logLevel?: "debug";
  /** "public": for our own services; not offered to other teams. */
  visibility?: "public";
  retryPolicy?: ActionSchema["retryPolicy"];
  /** For the OpenAPI document. */
  operationId?: string;
  summary: string;
  /** Errors besides those that the access and the params imply. */
  errors?: readonly Error[];
  /** A test runs this example. */
  example?: { params: InferAllGiven<Params>; result?: Infer<Result> };
};
export type ActionContracts = Record<string, ActionContract>;

/** Declares an action; the types of its params and its result are inferred. */
export const action = <Params extends Fields, Result extends Field>(
  contract: ActionContract<Params, Result>,
): ActionContract<Params, Result> => contract;

/** The context that the handler of an action receives. */
type ActionContext<Contract extends ActionContract> = Context<InferAll<Contract["params"]>, Meta>;

type Handlers<Contracts extends ActionContracts> = {
  [Name in keyof Contracts]: (
    this: never,
    ctx: ActionContext<Contracts[Name]>,
  ) => Infer<Contracts[Name]["result"]> | Promise<Infer<Contracts[Name]["result"]>>;
};

/** The actions of a service. The compiler checks each handler against the declared params and result. */
export function implement<Contracts extends ActionContracts>(
  contracts: Contracts,
  handlers: Handlers<Contracts>,
): Record<string, ActionSchema> {
  return Object.fromEntries(
    Object.entries(contracts).map(([name, contract]) => {
      const { access, whileSuspended, logAs, logLevel, visibility, retryPolicy } = contract;
      const params = toParams(contract.params);
      const handler = handlers[name] as ActionSchema["handler"];
      return [name, { access, whileSuspended, logAs, logLevel, visibility, retryPolicy, params, handler }];
    }),
  );
}

/** Maps the full name of each action, such as `users.get`, to its params and its result. */
export type ActionTypes<Service extends string, Contracts extends ActionContracts> = {
  [Name in keyof Contracts & string as `${Service}.${Name}`]: {
    params: InferAllGiven<Contracts[Name]["params"]>;
    result: Infer<Contracts[Name]["result"]>;
  };
};
