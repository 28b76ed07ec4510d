import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";

/** An image whose left half has one colour and whose right half has another. */
export async function sampleImage(
  options: { width?: number; height?: number; left?: string; right?: string } = {},
): Promise<Sharp> {
  const { width = 200, height = 100, left = "#ff0000", right = "#0000ff" } = options;
  const half = Math.ceil(width / 2);
  const pixels = await sharp({ create: { width: half, height, channels: 4, background: left } })
    .extend({ right: width - half, background: right })
    .raw()
    .toBuffer();
  return sharp(pixels, { raw: { width, height, channels: 4 } });
}

export const jpeg = async (options?: Parameters<typeof sampleImage>[0]): Promise<Buffer> =>
  (await sampleImage(options)).jpeg().toBuffer();
export const png = async (options?: Parameters<typeof sampleImage>[0]): Promise<Buffer> =>
  (await sampleImage(options)).png().toBuffer();
/** A PNG whose right half is transparent. */
export const transparentPng = (): Promise<Buffer> => png({ right: "#00ff0000" });

/** A chunk of a PNG. */
export function pngChunk(name: string, data: Buffer | string = ""): Buffer {
  const content = Buffer.concat([Buffer.from(name, "latin1"), Buffer.from(data as string, "latin1")]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length - 4);
  checksum.writeUInt32BE(crc32(content));
  return Buffer.concat([length, content, checksum]);
}

/** The header of a PNG: bits per channel and colour type (0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA). */
export type PngHead = { width: number; height: number; depth?: number; colour?: number };
const CHANNELS = [1, 0, 3, 1, 2, 0, 4];

/**
 * A PNG built by hand, with `fill` in every byte of its pixels. `before` and `after` are chunks around the pixels;
 * `pixels` replaces the pixel data, which then may contradict the header.
 */
export function pngOf(
  { width, height, depth = 8, colour = 2 }: PngHead,
  { before = [], after = [], fill = 0, pixels }: PngParts = {},
): Buffer {
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, colour, 0, 0, 0]);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  const row = Buffer.alloc(1 + Math.ceil((width * depth * (CHANNELS[colour] ?? 0)) / 8), fill);
  row[0] = 0; // no filter
  const rows = pixels ?? deflateSync(Buffer.alloc(row.length * height, row));
  return Buffer.concat([
    PNG_SIGNATURE,
    ...[pngChunk("IHDR", head), ...before, pngChunk("IDAT", rows), ...after, pngChunk("IEND")],
  ]);
}

export const PNG_SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
type PngParts = { before?: Buffer[]; after?: Buffer[]; fill?: number; pixels?: Buffer };

/** A black PNG with one bit per pixel: many pixels, few bytes, fast to make. */
export const blackPng = (width: number, height: number): Buffer =>
  pngOf({ width, height, depth: 1, colour: 0 });

/** A segment of a JPEG, such as 0xe1 (EXIF, XMP) or 0xfe (a comment). */
export function jpegSegment(marker: number, data: Buffer | string): Buffer {
  const content = Buffer.from(data as string, "latin1");
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

/** A JPEG with these segments right after its start marker. */
export const withSegments = (jpeg: Buffer, ...segments: Buffer[]): Buffer =>
  Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);

/** A PNG in one colour, which takes as long to decode as a photo. */
export const plainPng = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: "#336699" } })
    .png({ compressionLevel: 1 })
    .toBuffer();

type Colour = "red" | "green" | "blue" | "other" | "none";

/** The colours at positions given as fractions of width and height. */
export async function coloursAt(image: Buffer, ...positions: [x: number, y: number][]): Promise<Colour[]> {
  const { data, info } = await sharp(image).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return positions.map(([x, y]) => {
    const at = 4 * (Math.floor(y * info.height) * info.width + Math.floor(x * info.width));
    const [red = 0, green = 0, blue = 0, alpha = 0] = data.subarray(at, at + 4);
    if (alpha < 128) return "none";
    return red > 180 ? "red" : blue > 180 ? "blue" : green > 180 ? "green" : "other";
  });
}
