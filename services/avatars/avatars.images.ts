import { createHash } from "node:crypto";
import pLimit from "p-limit";
import sharp from "sharp";
import { UnsupportedImage } from "../../lib/contract/errors.ts";
import { timeStage } from "../../lib/runtime/metrics.ts";
import { SIZES } from "./avatars.contract.ts";

/** From the bytes that a user sent to the pictures that are served; nothing of the bytes themselves is kept. */

/** Edge lengths in pixels (SPEC 2). */
const LARGEST = 512;
const MAX_PIXELS = 50_000_000;
/** An image that is longer than this many times its breadth is cropped to its middle before it is scaled. */
const LONGEST = 64;

/** A square picture: `format` is webp, or what the picture is for clients that don't take that. */
export type Picture = { size: number; format: Format; bytes: Buffer };
export type Format = "webp" | Fallback;
/** PNG where the picture has transparency, JPEG where it has none. */
export type Fallback = "jpeg" | "png";

/** What a file became: `hash` is that of its content, so that the same file gives the same pictures. */
export type Avatar = { hash: string; fallback: Fallback; pictures: Picture[] };

type Pixels = { data: Buffer; info: { channels: 3 | 4 } };

/** So many of libuv's four threads work on pictures at once: tokens are checked on them too. */
const atMostTwo = pLimit(2);
/** Of a progressive or interlaced picture all pixels come at once: its decoder holds them, up to 440 MB (measured). */
const oneAtATime = pLimit(1);
sharp.cache(false);
sharp.concurrency(1);

const JPEG = Buffer.from([0xff, 0xd8, 0xff]);
const PNG = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

/**
 * Decodes a file and makes every size of it: upright, without metadata, in sRGB, cropped to a square.
 * @throws UnsupportedImage for what is no whole JPEG or PNG of at most 50 megapixels, judged by content
 */
export async function makeAvatar(file: Buffer): Promise<Avatar> {
  const picture = pictureIn(file);
  if (!picture) throw new UnsupportedImage();
  const square = await timeStage(
    "decode",
    atMostTwo(() => decode(picture)),
  ).catch(() => {
    throw new UnsupportedImage();
  });
  const fallback = isOpaque(square) ? "jpeg" : "png";
  const formats: Format[] = ["webp", fallback];
  const wanted = SIZES.flatMap((size) => formats.map((format) => ({ size, format })));
  const pictures = wanted.map(async ({ size, format }) => ({
    size,
    format,
    bytes: await atMostTwo(() => encode(square, size, format)),
  }));
  const hash = createHash("sha256").update(file).digest("hex").slice(0, 32);
  return { hash, fallback, pictures: await timeStage("encode", Promise.all(pictures)) };
}

/** What of a file makes up its picture. Decoders stop at the last row that the square needs: the end is looked for here. */
function pictureIn(file: Buffer): Buffer | undefined {
  const begins = (signature: Buffer) => file.subarray(0, signature.length).equals(signature);
  if (begins(JPEG)) return jpegReachesItsEnd(file) ? file : undefined;
  return begins(PNG) ? pngPicture(file) : undefined;
}

const END_OF_IMAGE = 0xd9;

function jpegReachesItsEnd(jpeg: Buffer): boolean {
  for (let at = 2; at >= 0; at = jpeg.indexOf(0xff, at + stepFrom(jpeg, at)))
    if (jpeg[at] === 0xff && jpeg[at + 1] === END_OF_IMAGE) return true;
  return false;
}

/** How far it is to what may be a marker: past a segment, or, among the pixels, past a stuffed byte or a restart. */
function stepFrom(jpeg: Buffer, at: number): number {
  const marker = jpeg[at + 1] ?? 0;
  if (jpeg[at] !== 0xff || marker === 0xff) return 1;
  if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8)) return 2;
  return at + 4 <= jpeg.length ? 2 + jpeg.readUInt16BE(at + 2) : 4;
}

/** The chunks that the picture is made of; texts are left out, as libpng would unpack gigabytes of them. */
const DRAWN = ["IHDR", "PLTE", "tRNS", "iCCP", "sRGB", "gAMA", "cHRM", "eXIf", "IDAT", "IEND"];

function pngPicture(png: Buffer): Buffer | undefined {
  const chunks: Buffer[] = [PNG];
  for (let at = PNG.length; at + 12 <= png.length; ) {
    const name = png.toString("latin1", at + 4, at + 8);
    const end = at + 12 + png.readUInt32BE(at);
    if (DRAWN.includes(name)) chunks.push(png.subarray(at, end));
    if (name === "IEND") return Buffer.concat(chunks);
    at = end;
  }
  return undefined;
}

/** The largest square, in pixels of red, green, blue, and alpha where there is one. */
async function decode(file: Buffer): Promise<Pixels> {
  const image = sharp(file, { limitInputPixels: MAX_PIXELS, failOn: "error" });
  const { depth, isProgressive, autoOrient } = await image.metadata();
  // sharp takes 16 bits with a profile to P3, and no further
  if (depth === "ushort") image.pipelineColourspace("srgb");
  image.autoOrient();
  const { width, height } = autoOrient;
  const edge = Math.min(width, height);
  // scaled whole, it would exceed the coordinates that libvips has
  if (Math.max(width, height) > LONGEST * edge)
    image.extract({
      left: Math.floor((width - edge) / 2),
      top: Math.floor((height - edge) / 2),
      width: edge,
      height: edge,
    });
  image.resize(LARGEST, LARGEST, { fit: "cover" }).toColourspace("srgb").raw();
  const square = () => image.toBuffer({ resolveWithObject: true }) as Promise<Pixels>;
  return isProgressive ? oneAtATime(square) : square();
}

function isOpaque({ data, info }: Pixels): boolean {
  if (info.channels === 3) return true;
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

const encode = ({ data, info }: Pixels, size: number, format: Format): Promise<Buffer> =>
  sharp(data, { raw: { width: LARGEST, height: LARGEST, channels: info.channels } })
    .resize(size, size)
    .toFormat(format)
    .toBuffer();
