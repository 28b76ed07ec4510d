import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { partsOfUrl } from "./database-url.ts";

/** The kinds of environment variables. */

/** An environment variable. */
export type Variable<Value> = {
  /** Converts a trimmed, non-empty text; undefined if it is not valid. */
  parse: (text: string) => Value | undefined;
  /** The allowed values, as shown to the operator. */
  allowed: string;
  /** The value if the variable is not set. */
  fallback: Value;
  /** The value never appears in a message, and may be in the file that `<name>_FILE` names. */
  secret?: true;
};

export const text = <Fallback extends string | undefined = undefined>(
  fallback?: Fallback,
  { pattern = /^/, allowed = "a text" } = {},
): Variable<string | Fallback> => ({
  parse: (text) => (pattern.test(text) ? text : undefined),
  allowed,
  fallback: fallback as Fallback,
});

export const secret = <Fallback extends string | undefined = undefined>(
  fallback?: Fallback,
  format?: { pattern: RegExp; allowed: string },
): Variable<string | Fallback> => ({ ...text(fallback, format), secret: true });

export const host = ({ sockets = false } = {}): Variable<string | undefined> => ({
  parse: (text) =>
    /^[\w.-]+$/.test(text) || isIP(text) || (sockets && text.startsWith("/")) ? text : undefined,
  allowed: "a host name or an IP address, without scheme, port and path",
  fallback: undefined,
});

export const integer = <Fallback extends number | undefined>(
  fallback: Fallback,
  min: number,
  max: number,
): Variable<number | Fallback> => ({
  parse: (text) => {
    const value = Number(text);
    return Number.isInteger(value) && value >= min && value <= max ? value : undefined;
  },
  allowed: `an integer from ${min} to ${max}`,
  fallback,
});

export const port = (fallback: number) => integer(fallback, 1, 65_535);

export const fraction = (fallback: number): Variable<number> => ({
  parse: (text) => {
    const value = Number(text);
    return value >= 0 && value <= 1 ? value : undefined;
  },
  allowed: "a number from 0 to 1",
  fallback,
});

const FLAGS = new Map(Object.entries({ true: true, false: false, on: true, off: false, 1: true, 0: false }));
export const flag = (fallback = false): Variable<boolean> => ({
  parse: (text) => FLAGS.get(text.toLowerCase()),
  allowed: "true or false",
  fallback,
});

export const oneOf = <Value extends string, Fallback extends Value | undefined = undefined>(
  values: readonly Value[],
  fallback?: Fallback,
): Variable<Value | Fallback> => ({
  parse: (text) => values.find((value) => value === text),
  allowed: `one of ${values.join(", ")}`,
  fallback: fallback as Fallback,
});

export const url = (): Variable<string | undefined> => ({
  parse: (text) => (/^https?:$/.test(URL.parse(text)?.protocol ?? "") ? text.replace(/\/+$/, "") : undefined),
  allowed: "an http or https address",
  fallback: undefined,
});

/** An address that contains the values of other variables; the value is these. */
export const databaseUrl = (): Variable<Record<string, string> | undefined> => ({
  parse: partsOfUrl,
  allowed: "an address such as postgres://user:password@host:5432/database?sslmode=verify-full",
  fallback: undefined,
  secret: true,
});

/** The path of a file; the value is its content. */
export const pemFile = (): Variable<string | undefined> => ({
  parse: (path) => {
    try {
      const content = readFileSync(path, "utf8");
      return content.includes("-----BEGIN ") ? content : undefined;
    } catch {
      return undefined;
    }
  },
  allowed: "the path of a PEM file that can be read",
  fallback: undefined,
});

/** A comma-separated list. */
export const listOf = <Item, Fallback extends Item[] | undefined = undefined>(
  item: Pick<Variable<Item | undefined>, "parse" | "allowed">,
  fallback?: Fallback,
): Variable<Item[] | Fallback> => ({
  parse: (text) => {
    const items = text.split(",").map((part) => item.parse(part.trim()));
    return items.every((value) => value !== undefined) ? items : undefined;
  },
  allowed: `a list of ${item.allowed}, separated by commas`,
  fallback: fallback as Fallback,
});
