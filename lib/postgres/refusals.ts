import { sqlState } from "../../models/database.errors.ts";

/** The first that matches the code and the message of an error, with the variables to check. */
const REFUSALS: [pattern: RegExp, line: string][] = [
  [
    /^28000 .*client certificate/,
    "DATABASE_SSL_CERT, DATABASE_SSL_KEY: the database demands a client certificate",
  ],
  [
    /^28000 .*(no encryption|SSL off)/,
    "DATABASE_SSL_MODE: the database refuses this user, host and database without TLS",
  ],
  [/^28000 .*pg_hba\.conf/, "DATABASE_USER, DATABASE_NAME: pg_hba.conf refuses this user, host and database"],
  [/^28000 /, "DATABASE_USER: the database refuses this user"],
  [/^28P01 /, "DATABASE_USER, DATABASE_PASSWORD: the database refuses them"],
  [/^3D000 /, "DATABASE_NAME: there is no such database"],
  [
    /^42501 .* database /,
    "DATABASE_USER, DATABASE_SCHEMA: the user needs a schema of its own, or CREATE on the database",
  ],
  [/^42501 /, "DATABASE_USER: the user lacks a right (npm run migration:grants)"],
  [/does not support SSL/, "DATABASE_SSL_MODE: the database has no TLS"],
  [/^ERR_TLS_CERT_ALTNAME_INVALID /, "DATABASE_HOST: the certificate of the database has another name"],
  [/^(\w*CERT|UNABLE_TO|INVALID_CA)\w* /, "DATABASE_SSL_CA: the certificate of the database is refused"],
  [/^ERR_(OSSL|SSL)\w* /, "DATABASE_SSL_CERT, DATABASE_SSL_KEY: TLS fails with them"],
];

/**
 * Explains why the database is refused at start, for an error that an operator has to fix.
 *
 * @returns one line that names the variables to check, with the error's message; undefined for other errors
 */
export function refusalOf(error: unknown): string | undefined {
  const { message } = error as Error;
  const text = `${sqlState(error) ?? ""} ${message}`;
  const line = REFUSALS.find(([pattern]) => pattern.test(text))?.[1];
  return line && `${line} (${message.replaceAll("\n", " ")})`;
}
