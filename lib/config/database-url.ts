/** The parameters of the query, as libpq names them. */
const PARAMETERS = new Map([
  ["sslmode", "DATABASE_SSL_MODE"],
  ["sslrootcert", "DATABASE_SSL_CA"],
  ["sslcert", "DATABASE_SSL_CERT"],
  ["sslkey", "DATABASE_SSL_KEY"],
]);

/**
 * Takes an address such as `postgres://user:password@host:5432/database?sslmode=verify-full` apart.
 *
 * @returns the variables that it stands for; undefined if it is not valid, names no host or has another parameter
 */
export function partsOfUrl(text: string): Record<string, string> | undefined {
  const url = URL.parse(text);
  if (!url?.hostname || !/^postgres(ql)?:$/.test(url.protocol)) return undefined;
  const parts = [
    ["DATABASE_HOST", url.hostname.replace(/^\[|\]$/g, "")], // an IPv6 address is in brackets
    ["DATABASE_PORT", url.port],
    ["DATABASE_NAME", url.pathname.slice(1)],
    ["DATABASE_USER", url.username],
    ["DATABASE_PASSWORD", url.password],
  ].map(([name = "", value = ""]) => [name, decode(value)]);
  const parameters = [...url.searchParams].map(([name, value]) => [PARAMETERS.get(name), value]);
  const all = [...parts, ...parameters];
  if (all.some(([name, value]) => name === undefined || value === undefined)) return undefined;
  return Object.fromEntries(all.filter(([, value]) => value));
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
