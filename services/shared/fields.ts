import type { RuleError } from "./validator.ts";

/**
 * Builders of validation rules for the fields that several schemas share (SPEC 4). A rule must not stand twice in one
 * schema: fastest-validator takes the second for a recursion and skips its check. So build it anew for each field.
 */

export type Rule = { type: string; [option: string]: unknown };
type Check = (value: unknown, errors: RuleError[]) => unknown;

/** A rule of our own: `check` returns the value to use, or the fault as a Fault. */
class Fault {
  message: string;
  constructor(message: string) {
    this.message = message;
  }
}
/** Says that a value is not valid, and why. */
export const fault = (message: string): Fault => new Fault(message);

const checked =
  (check: (value: string) => unknown): Check =>
  (value, errors) => {
    if (typeof value !== "string") return value; // null or missing, or refused already
    const result = check(value);
    if (!(result instanceof Fault)) return result;
    errors.push({ type: "custom", message: result.message });
    return value;
  };

const required = (check: (value: string) => unknown): Rule => ({
  type: "string",
  nullable: false,
  custom: checked(check),
});

/** The same field, which may be left out; null stays refused where it was. */
export const optional = (rule: Rule): Rule => ({ ...rule, optional: true });

/** PostgreSQL's text takes no NUL, and UTF-8 no lone surrogate (SPEC 4). */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

/** Trims, and checks the length in code points. Returns the text to store, or the fault. */
function trimmed(value: string, min: number, max: number): string | Fault {
  if (!isStorable(value)) return fault("must not hold NUL or lone surrogates");
  const text = value.trim();
  const { length } = [...text];
  if (length < min) return fault(min === 1 ? "must not be empty" : `must have at least ${min} characters`);
  return length > max ? fault(`must have at most ${max} characters`) : text;
}

/** A text of `min` … `max` code points after trimming. */
export const text = (min: number, max: number): Rule => required((value) => trimmed(value, min, max));

/** A text that may be left out or null; `""` is null. `convert` gets the text to store last. */
export const optionalText = (max: number, convert = (value: string) => value): Rule => ({
  type: "string",
  optional: true,
  nullable: true,
  custom: checked((value) => {
    const text = trimmed(value, 0, max);
    return text instanceof Fault ? text : text === "" ? null : convert(text);
  }),
});

/** A text that a function turns into its canonical form, or finds fault with. */
export const canonicalText = (max: number, canonical: (value: string) => string | Fault): Rule =>
  required((value) => {
    const text = trimmed(value, 1, max);
    return text instanceof Fault ? text : canonical(text);
  });

const EMAIL = /^[^\s@"(),:;<>[\\\]]+@[^\s@"(),:;<>[\\\].]+(\.[^\s@"(),:;<>[\\\].]+)+$/u;

/** An e-mail, kept as given: it is compared in lower case (SPEC 4). */
export const email = (): Rule =>
  canonicalText(255, (value) => (EMAIL.test(value) ? value : fault("must be an e-mail address")));

/** The form of a UUID (RFC 9562), of any version. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID, in lower case, so that one user has one id as a key in memory too. */
export const uuid = (): Rule =>
  required((value) => (UUID.test(value) ? value.toLowerCase() : fault("must be a UUID")));

/** An integer; `convert` takes digits from a query string too. */
export const integer = (min: number, max: number, options: { convert?: boolean } = {}): Rule => ({
  type: "number",
  integer: true,
  nullable: false,
  min,
  max,
  ...options,
});

export const flag = (): Rule => ({ type: "boolean", nullable: false });

/** An object without any other field than these. */
export const object = (props: Record<string, Rule>): Rule => ({
  type: "object",
  nullable: false,
  strict: true,
  props,
});

/** An action's params: these fields and no others. */
export const params = (props: Record<string, Rule>) => ({ ...props, $$strict: true });
