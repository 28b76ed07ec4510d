import { action } from "../../lib/contract/action.ts";
import { count, object, oneOf } from "../../lib/contract/fields.ts";

/** For our own services only: nodes without a database call these on nodes with one. */
export const actions = {
  health: action({
    access: "internal",
    visibility: "public",
    params: {},
    result: object({ status: oneOf(["connected", "disconnected"]), connections: count() }),
    summary: "The database as this node sees it",
  }),
};
