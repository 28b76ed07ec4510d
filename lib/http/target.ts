import type { IncomingMessage } from "node:http";

/** The target of a request (RFC 9112, 3.2). */

/** Converts a target to the origin form: a client that takes the service for a proxy sends the absolute form. */
export function toOriginForm(target: string): string {
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** A host name, IPv4 address or IPv6 address in brackets, with an optional port (RFC 3986, 3.2.2). It may be empty. */
const HOST = /^(\[[\w.:%~-]+\]|[\w.~%!$&'()*+,;=-]*)(:\d*)?$/;

/** The fault of a request's Host header, if any. HTTP/1.0 requires none. */
export function faultOfHost({ httpVersion, headersDistinct }: IncomingMessage): string | undefined {
  const [host, ...more] = headersDistinct.host ?? [];
  if (host === undefined) return httpVersion === "1.1" ? "missing" : undefined;
  if (more.length > 0) return "given more than once";
  return HOST.test(host) ? undefined : "not valid";
}

/** The maximum length of the path in the answer to a request that could not be parsed, in characters. */
const LONGEST = 2_000;

/** The path in a packet that starts with a request line, without the query; `""` if there is none. */
export function pathIn(packet: Buffer = Buffer.alloc(0)): string {
  const [, target = ""] = /^[A-Z]+ ([^\s?#]+)/i.exec(packet.toString("latin1", 0, LONGEST)) ?? [];
  return toOriginForm(target);
}
