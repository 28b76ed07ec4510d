import { createHash } from "node:crypto";
import pLimit from "p-limit";
import sharp from "sharp";
import { UnsupportedImage } from "../shared/errors.ts";

/** From the bytes that a user sent to the pictures that are served; nothing of the bytes themselves is kept. */

/** Edge lengths in pixels (SPEC 2). */
export const SIZES = [64, 128, 256, 512];
const LARGEST = 512;
const MAX_PIXELS = 50_000_000;

/** A square picture: `format` is webp, or what the picture is for clients that don't take that. */
export type Picture = { size: number; format: Format; bytes: Buffer };
export type Format = "webp" | Fallback;
/** PNG where the picture has transparency, JPEG where it has none. */
export type Fallback = "jpeg" | "png";

/** What a file became: `hash` is that of its content, so that the same file gives the same pictures. */
export type Avatar = { hash: string; fallback: Fallback; pictures: Picture[] };

/** Two at once: libuv's threads check tokens too, and a large picture takes 24–42 MB (measured). */
const atMostTwo = pLimit(2);
sharp.cache(false);
sharp.concurrency(1);

const SIGNATURES = [Buffer.from([0xff, 0xd8, 0xff]), Buffer.from("\x89PNG\r\n\x1a\n", "latin1")];

/**
 * Decodes a file and makes every size of it: upright, without metadata, in sRGB, cropped to a square.
 * @throws UnsupportedImage for what is no whole JPEG or PNG of at most 50 megapixels, judged by content
 */
export async function makeAvatar(file: Buffer): Promise<Avatar> {
  if (!SIGNATURES.some((signature) => file.subarray(0, signature.length).equals(signature)))
    throw new UnsupportedImage();
  const hash = createHash("sha256").update(file).digest("hex").slice(0, 32);
  const { data, info } = await atMostTwo(() => decode(file)).catch(() => {
    throw new UnsupportedImage();
  });
  const fallback = info.channels === 4 ? "png" : "jpeg";
  const formats: Format[] = ["webp", fallback];
  const pictures = SIZES.flatMap((size) => formats.map((format) => ({ size, format })));
  return {
    hash,
    fallback,
    pictures: await Promise.all(
      pictures.map(async ({ size, format }) => {
        const bytes = await sharp(data, { raw: info }).resize(size, size).toFormat(format).toBuffer();
        return { size, format, bytes };
      }),
    ),
  };
}

/** The largest square as raw pixels, with an alpha channel only where something is transparent. */
async function decode(file: Buffer) {
  const options = { limitInputPixels: MAX_PIXELS, failOn: "error" } as const;
  const { isOpaque } = await sharp(file, options).stats();
  const square = sharp(file, options)
    .autoOrient()
    .resize(LARGEST, LARGEST, { fit: "cover" })
    .toColourspace("srgb");
  const { data, info } = await (isOpaque ? square.removeAlpha() : square.ensureAlpha())
    .raw()
    .toBuffer({ resolveWithObject: true });
  const channels: 3 | 4 = isOpaque ? 3 : 4;
  return { data, info: { width: info.width, height: info.height, channels } };
}
