import type { Check, Field, Fields } from "./fields.ts";
import type { RuleError } from "./validator.ts";

/**
 * An action's params for fastest-validator: exactly these fields. Each rule is copied, because the validator treats the
 * second use of an object as a recursion and skips its check.
 */
export const toParams = (fields: Fields) => ({ ...copied(fields), $$strict: true });

const copied = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, copyOf(field)]));

const copyOf = (field: Field): Field => ({
  ...field,
  ...(field.props !== undefined && { props: copied(field.props as Fields) }),
  ...(field.items !== undefined && { items: copyOf(field.items as Field) }),
  ...(field.default !== undefined && defaulted(field)),
});

/** The validator's own default would also replace null, which a field must declare to accept. */
const defaulted = ({ default: value, custom }: Field) => ({
  default: undefined,
  optional: true,
  custom: (given: unknown, errors: RuleError[]) => {
    if (given === undefined) return value;
    return custom ? (custom as Check)(given, errors) : given;
  },
});
