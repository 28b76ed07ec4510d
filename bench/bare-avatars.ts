import { mkdir, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Busboy, type BusboyHeaders } from "@fastify/busboy";
import pLimit from "p-limit";
import sharp from "sharp";
import { authenticate, send, serve } from "./bare.ts";

/**
 * `POST /api/v1/users/:id/avatar` with only busboy, sharp and the file system: the same eight variants, and the same
 * number of conversions at once. `GET` of the same path answers from memory with the last avatar.
 */

const SIZES = [64, 128, 256, 512];
const atMostTwo = pLimit(2);
sharp.cache(false);
sharp.concurrency(1);

let last = Buffer.of();

serve(async (req, res) => {
  if (req.method === "GET") {
    res.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": last.length, ETag: '"1"' });
    return void res.end(last);
  }
  await authenticate(req);
  const file = await readForm(req);
  const { data, info } = await atMostTwo(() =>
    sharp(file, { limitInputPixels: 50_000_000, failOn: "error" })
      .autoOrient()
      .resize(512, 512)
      .raw()
      .toBuffer({ resolveWithObject: true }),
  );
  const folder = join(process.env.DATA_DIR ?? "", "bare", crypto.randomUUID());
  await mkdir(folder, { recursive: true });
  await Promise.all(
    SIZES.flatMap((size) =>
      (["webp", "jpeg"] as const).map(async (format) => {
        const variant = await atMostTwo(() =>
          sharp(data, { raw: { width: 512, height: 512, channels: info.channels } })
            .resize(size, size)
            .toFormat(format)
            .toBuffer(),
        );
        await writeFile(join(folder, `${size}.${format}`), variant);
        if (size === 512 && format === "jpeg") last = Buffer.from(variant);
      }),
    ),
  );
  send(res, 200, { avatarUrl: folder });
});

function readForm(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const form = new Busboy({ headers: req.headers as BusboyHeaders });
    form.on("file", (_field, part) => buffer(part).then(resolve, reject));
    form.on("error", reject);
    req.pipe(form);
  });
}
