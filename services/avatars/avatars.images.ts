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
  if (file[0] === 0x89 && !reachesItsEnd(file)) throw new UnsupportedImage();
  const hash = createHash("sha256").update(file).digest("hex").slice(0, 32);
  const square = await atMostTwo(() => decode(file)).catch(() => {
    throw new UnsupportedImage();
  });
  const fallback = isOpaque(square) ? "jpeg" : "png";
  const formats: Format[] = ["webp", fallback];
  const wanted = SIZES.flatMap((size) => formats.map((format) => ({ size, format })));
  const pictures = wanted.map(async ({ size, format }) => ({
    size,
    format,
    bytes: await encode(square, size, format),
  }));
  return { hash, fallback, pictures: await Promise.all(pictures) };
}

/** Whether a PNG goes on to its last chunk: decoders stop at the last pixel, and don't tell. */
function reachesItsEnd(png: Buffer): boolean {
  for (let at = 8; at + 12 <= png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString("latin1", at + 4, at + 8) === "IEND") return true;
  return false;
}

/** The largest square as pixels of four bytes: red, green, blue, alpha. */
const decode = (file: Buffer): Promise<Buffer> =>
  sharp(file, { limitInputPixels: MAX_PIXELS, failOn: "error" })
    .autoOrient()
    .resize(LARGEST, LARGEST, { fit: "cover" })
    .toColourspace("srgb")
    .ensureAlpha()
    .raw()
    .toBuffer();

function isOpaque(square: Buffer): boolean {
  for (let at = 3; at < square.length; at += 4) if (square[at] !== 255) return false;
  return true;
}

const encode = (square: Buffer, size: number, format: Format): Promise<Buffer> =>
  sharp(square, { raw: { width: LARGEST, height: LARGEST, channels: 4 } })
    .resize(size, size)
    .toFormat(format)
    .toBuffer();
