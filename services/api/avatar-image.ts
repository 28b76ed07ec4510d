import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { call } from "../../lib/contract/call.ts";
import type { AvatarMeta, Meta } from "../../lib/contract/caller.ts";
import type { Handler } from "./gateway.types.ts";

/** Whether the Accept header names WebP (RFC 9110, 12.5.1), and not with `q=0`. */
const WEBP = /\bimage\/webp\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/;

const YEAR = 31_536_000; // seconds
const MINUTES = 300;

/** The part of If-None-Match that is compared, in characters; entity tags after it do not match. */
const MATCHES_MAX = 10_000;

/** In ms. The client may be slow, and the node that sends the stream may have died. */
const SEND_WITHIN = 30_000;

/** Sends the image, for `<img>`: immutable under its current version, and inert whatever its content (contract 2). */
export const sendAvatar: Handler = (req, res, next) => {
  const { v, ...params } = req.$params as { v?: string; id: string; size?: number };
  const { accept = "", "if-none-match": ifNoneMatch } = req.headers;
  call(req.$ctx, "avatars.get", {
    ...params,
    webp: WEBP.test(accept),
    ifNoneMatch: ifNoneMatch?.slice(0, MATCHES_MAX) || undefined,
  }).then((image) => {
    const { avatar } = req.$ctx.meta as Meta & { avatar: AvatarMeta };
    res.setHeader("ETag", avatar.etag);
    res.appendHeader("Vary", "Accept");
    if (!res.hasHeader("Cache-Control"))
      res.setHeader(
        "Cache-Control",
        v === avatar.version ? `public, max-age=${YEAR}, immutable` : `public, max-age=${MINUTES}`,
      );
    res.setHeader("X-Content-Type-Options", "nosniff");
    res.setHeader("Content-Security-Policy", "default-src 'none'; sandbox");
    if (!image) return void res.writeHead(304).end();
    res.setHeader("Content-Type", avatar.contentType);
    res.setHeader("Content-Length", avatar.length ?? 0);
    if (req.method !== "HEAD") return send(image, res);
    image.destroy();
    res.end();
  }, next);
};

/** Sends the whole image, or closes the connection. */
const send = (image: Readable, res: ServerResponse): Promise<void> =>
  pipeline(image, res, { signal: AbortSignal.timeout(SEND_WITHIN) }).catch(() => void res.destroy());
