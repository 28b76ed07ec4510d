import { createHash } from "node:crypto";
import sharp from "sharp";
import { DependencyUnavailable, UnsupportedImage } from "../../lib/contract/errors.ts";
import { timeStage } from "../../lib/runtime/metrics.ts";
import { SIZES } from "./avatars.contract.ts";
import { type ImageFile, readImageFile } from "./avatars.files.ts";
import { uploadMemory } from "./avatars.memory.ts";
import { WorkQueue } from "./avatars.queue.ts";

/** Converts an uploaded file into the variants of an avatar. Nothing of the file itself is kept. */

const LARGEST = 512;
const MAX_PIXELS = 50_000_000;
/**
 * An image whose sides differ by more than this factor is cropped to its middle before it is scaled, which takes less
 * memory. Others are not, because a JPEG that is cropped first is decoded in its full size.
 */
const MAX_RATIO = 4;
/** Decoding is cancelled after this time, in seconds: the machine is overloaded. */
const DECODE_WITHIN = 5;

/** For clients that do not accept WebP: PNG if the avatar has transparency, else JPEG. */
export type FallbackFormat = "jpeg" | "png";
export type Format = "webp" | FallbackFormat;
/** The avatar in one size, which is its width in pixels, and one format. */
type Variant = { size: number; format: Format; bytes: Buffer };

/** `hash` is the hash of the uploaded file: the same file results in the same avatar. */
export type Avatar = { hash: string; fallback: FallbackFormat; variants: Variant[] };

type Pixels = { data: Buffer; info: { channels: 3 | 4 } };

/** Two at once, because each takes memory. */
const conversions = new WorkQueue({ slots: 2, waiting: 32 });
/** They use two of libuv's four threads, because verifying a token needs one too. A single conversion uses both. */
const threads = new WorkQueue({ slots: 2, waiting: Infinity });
sharp.cache(false);
sharp.concurrency(1);

/**
 * Decodes a file and creates all variants: upright, without metadata, in sRGB, cropped to a square.
 * @param signal aborts if the caller disconnects; it has an effect only while the conversion waits
 * @throws UnsupportedImage if the content is not a complete JPEG or PNG within the limits of contract 3, or needs more
 * memory than this node has for it; DependencyUnavailable if too many conversions wait
 */
export async function makeAvatar(file: Buffer, signal?: AbortSignal): Promise<Avatar> {
  const image = readImageFile(file);
  if (image.held > uploadMemory.image) throw new UnsupportedImage();
  const weight = 2 * image.held > uploadMemory.image ? 2 : 1; // one that takes more than half of the memory goes alone
  return conversions.run(() => convert(file, image), { weight, signal });
}

async function convert(file: Buffer, image: ImageFile): Promise<Avatar> {
  const square = await timeStage(
    "decode",
    threads.run(() => decodeInTime(image)),
  );
  const hash = createHash("sha256").update(file).digest("hex").slice(0, 32);
  const fallback = isOpaque(square) ? "jpeg" : "png";
  return { hash, fallback, variants: await timeStage("encode", encodeAll(square, fallback)) };
}

async function decodeInTime(image: ImageFile): Promise<Pixels> {
  const start = performance.now();
  return decode(image).catch(() => {
    throw refusalAfter(performance.now() - start);
  });
}

/**
 * Why a decoding failed. A decoding that was interrupted does not mean that the file is wrong. Only its time shows it,
 * because libvips has one error text for all decodings of the process.
 */
export const refusalAfter = (ms: number): Error =>
  ms < 1000 * DECODE_WITHIN ? new UnsupportedImage() : new DependencyUnavailable("avatars service");

/** The largest square of the image, in pixels of red, green, blue, and alpha if present. */
async function decode({ bytes }: ImageFile): Promise<Pixels> {
  const image = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: "error" });
  const { depth, autoOrient } = await image.metadata();
  // otherwise sharp converts 16 bits with a profile to P3 instead of sRGB
  if (depth === "ushort") image.pipelineColourspace("srgb");
  image.autoOrient();
  const { width, height } = autoOrient;
  const edge = Math.min(width, height);
  if (Math.max(width, height) > MAX_RATIO * edge)
    image.extract({
      left: Math.floor((width - edge) / 2),
      top: Math.floor((height - edge) / 2),
      width: edge,
      height: edge,
    });
  return image
    .resize(LARGEST, LARGEST, { fit: "cover" })
    .toColourspace("srgb")
    .raw()
    .timeout({ seconds: DECODE_WITHIN })
    .toBuffer({ resolveWithObject: true }) as Promise<Pixels>;
}

function isOpaque({ data, info }: Pixels): boolean {
  if (info.channels === 3) return true;
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

const encodeAll = (square: Pixels, fallback: FallbackFormat): Promise<Variant[]> =>
  Promise.all(
    SIZES.flatMap((size) =>
      (["webp", fallback] as const).map(async (format) => {
        const bytes = await threads.run(() => encode(square, size, format));
        return { size, format, bytes };
      }),
    ),
  );

const encode = ({ data, info }: Pixels, size: number, format: Format): Promise<Buffer> =>
  sharp(data, { raw: { width: LARGEST, height: LARGEST, channels: info.channels } })
    .resize(size, size)
    .toFormat(format)
    .toBuffer();
