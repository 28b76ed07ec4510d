import { type Check, checkedEach, type Field, type Fields, flag, type Infer, list } from "./fields.ts";
import type { RuleError } from "./validator.ts";

/** Fields that combine other fields, except objects and lists (fields.ts). */

/** An object with a value for each key. */
export const record = <Value>(value: Field<Value>): Field<Record<string, Value>> => ({
  type: "record",
  nullable: false,
  value,
});

/**
 * A value of any of these fields, for results. It is not validated, because the validator modifies the values that it
 * tries.
 */
export const either = <const Of extends readonly Field[]>(...rules: Of): Field<Infer<Of[number]>> =>
  ({ type: "any", nullable: false, rules }) as Field<Infer<Of[number]>>;

/**
 * One text of this form, or a list of at most `max`. A list stays a list. It checks by itself: the validator's rule
 * for alternatives would report the faults of all of them.
 */
export const oneOrMany = (item: Field<string>, max: number): Field<string | string[]> => ({
  ...either(item, list(item, max)),
  custom: (value: unknown, errors: RuleError[], rule: unknown, name: string) => {
    if (value === undefined || value === null) return value; // left out, or already refused
    if (!Array.isArray(value)) return checkText(value, errors);
    if (value.length > max) errors.push({ type: "custom", message: `must have at most ${max} entries` });
    return checkedEach(checkText, max)(value, errors, rule, name);

    function checkText(text: unknown, errors: RuleError[]): unknown {
      if (typeof text === "string") return (item.custom as Check)(text, errors);
      errors.push({ type: "custom", message: "must be a string" });
      return text;
    }
  },
});

/** True or false, also as texts of a query string. The validator's own conversion would take `1` and `on` too. */
export const queryFlag = (): Field<boolean> => ({
  ...either(flag()),
  schema: { type: "boolean" },
  custom: (value: unknown, errors: RuleError[]) => {
    if (value === "true" || value === "false") return value === "true";
    if (typeof value !== "boolean" && value !== undefined && value !== null)
      errors.push({ type: "custom", message: "must be true or false" });
    return value;
  },
});

/** What the validator checks. */
type Validated = { data: Record<string, unknown> };

/** The same optional field of the params, which is refused together with another one. */
export const notWith = <Value, Given>(other: string, field: Field<Value, Given>): Field<Value, Given> => ({
  ...field,
  custom: (
    value: unknown,
    errors: RuleError[],
    _rule: unknown,
    _path: unknown,
    _parent: unknown, // null for a param
    { data }: Validated,
  ) => {
    if (value === undefined) return value;
    if (data[other] === undefined) return (field.custom as Check)(value, errors);
    errors.push({ type: "custom", message: `must not be given together with ${other}` });
    return value;
  },
});

/** A field and all that it is made of. */
export const withParts = (field: Field): Field[] => {
  const { props = {}, rules = [], items, value } = field;
  const parts = [...Object.values(props as Fields), ...(rules as Field[]), items, value];
  return [field, ...(parts.filter(Boolean) as Field[]).flatMap(withParts)];
};
