import { flag, optional, params, type Rule, text, uuid } from "../../lib/contract/fields.ts";
import type { RuleError } from "../../lib/contract/validator.ts";
import { SIZES } from "./avatars.images.ts";

/** What the actions and events of `avatars` take (SPEC 2). */

export const byId = params({ id: uuid() });

const size: Rule = {
  type: "number",
  convert: true,
  nullable: false,
  default: 512,
  schema: { type: "integer", enum: SIZES },
  custom: (value: number, errors: RuleError[]) => {
    if (Number.isFinite(value) && !SIZES.includes(value))
      errors.push({ type: "size", message: `must be one of ${SIZES.join(", ")}` });
    return value;
  },
};

/**
 * `webp`: whether the client takes that format, which is the smaller one. `ifNoneMatch`: the entities it has already,
 * in the form of that HTTP header.
 */
export const get = params({
  id: uuid(),
  size,
  webp: optional(flag()),
  ifNoneMatch: optional(text(1, 10_000)),
});

/** Of an event only what is needed is looked at. */
export const deletion = { userId: uuid() };
