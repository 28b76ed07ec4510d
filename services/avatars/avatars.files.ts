import { UnsupportedImage } from "../../lib/contract/errors.ts";

/** Reads the structure of an uploaded file without decoding it: whether it is complete, and the cost of decoding it. */

/** `bytes`: the parts of the file that are decoded. `held`: the memory that decoding takes at most, in bytes (measured). */
export type ImageFile = { bytes: Buffer; held: number };

/**
 * These limits bound decoding steps that sharp's timeout cannot interrupt (measured with sharp 0.35, libvips 8.18: the
 * timeout is checked only while rows are produced, and these images are decoded before the first row).
 *
 * Pixels of an interlaced PNG. With 16 bits and alpha: 0.7 CPU-s and 130 MB at 16 megapixels, 2.4 CPU-s and 400 MB at
 * 50.
 */
const MAX_INTERLACED = 16_000_000;
/** How many rows, or columns if the image is rotated, are in memory while it is scaled down. */
const ROWS = { jpeg: 600, png: 2_048 };
/**
 * Pixels of a JPEG times its scans. Encoders create 10 to 12 scans. 50 megapixels in 12 scans take 0.5 CPU-s; in 2,000
 * scans, which fit in 440 kB, they take 16 CPU-s.
 */
const MAX_SCANNED = 600_000_000;

/** @throws UnsupportedImage if it is not a complete JPEG or PNG, or is too expensive to decode */
export function readImageFile(file: Buffer): ImageFile {
  const image = begins(file, JPEG) ? readJpeg(file) : begins(file, PNG) ? readPng(file) : undefined;
  if (!image) throw new UnsupportedImage();
  return image;
}

const pixelsInMemory = (width: number, height: number, rows: number): number =>
  Math.min(width, height, rows) * Math.max(width, height);

const begins = (file: Buffer, signature: Buffer) => file.subarray(0, signature.length).equals(signature);

const JPEG = Buffer.from([0xff, 0xd8, 0xff]);
const END_OF_IMAGE = 0xd9;
const START_OF_SCAN = 0xda;
const PROGRESSIVE_FRAME = 0xc2;
/** Frame headers; 0xc4, 0xc8 and 0xcc are other segments. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** The decoder stops at the last row that the square needs, so the end of the image is checked here. */
function readJpeg(jpeg: Buffer): ImageFile | undefined {
  let [held, pixels, coefficients, scans, isProgressive] = [0, 0, 0, 0, false];
  for (let at = 2; at >= 0; at = jpeg.indexOf(0xff, at + stepFrom(jpeg, at))) {
    const marker = jpeg[at] === 0xff ? (jpeg[at + 1] ?? 0) : 0;
    if (marker === START_OF_SCAN) scans++;
    if (marker === PROGRESSIVE_FRAME) isProgressive = true;
    if (isFrame(marker) && at + 9 <= jpeg.length) {
      const [height, width] = [jpeg.readUInt16BE(at + 5), jpeg.readUInt16BE(at + 7)];
      held = Math.max(held, 4 * pixelsInMemory(width, height, ROWS.jpeg));
      pixels = Math.max(pixels, width * height);
      coefficients = pixels * coefficientsPerPixel(jpeg.subarray(at + 9));
    }
    if (marker !== END_OF_IMAGE) continue;
    if (!isProgressive && scans <= 1) return { bytes: jpeg, held };
    return pixels * scans > MAX_SCANNED ? undefined : { bytes: jpeg, held: 2 * coefficients };
  }
  return undefined;
}

/**
 * 3 in full colour, 1.5 if the colours have a quarter of the pixels, as in most photographs.
 * @param components the end of a frame header: their number, then three bytes for each
 */
function coefficientsPerPixel(components: Buffer): number {
  const samples = Array.from({ length: components[0] ?? 0 }, (_, n) => {
    const factors = components[3 * n + 2] ?? 0;
    return (factors >> 4) * (factors & 15);
  });
  return samples.reduce((sum, one) => sum + one, 0) / Math.max(...samples, 1);
}

/** The distance to the next possible marker: past a segment or, within the pixels, past a stuffed byte or a restart. */
function stepFrom(jpeg: Buffer, at: number): number {
  const marker = jpeg[at + 1] ?? 0;
  if (jpeg[at] !== 0xff || marker === 0xff) return 1;
  if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8)) return 2;
  return at + 4 <= jpeg.length ? 2 + jpeg.readUInt16BE(at + 2) : 4;
}

const PNG = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
/** The chunks that are decoded. Text chunks are left out, because libpng would unpack gigabytes of them. */
const DECODED = ["IHDR", "PLTE", "tRNS", "iCCP", "sRGB", "gAMA", "cHRM", "eXIf", "IDAT", "IEND"];
/** Offsets in a file whose first chunk is IHDR, as every decoder requires. */
const AT = { width: 16, height: 20, depth: 24, interlace: 28 };

function readPng(png: Buffer): ImageFile | undefined {
  if (png.length <= AT.interlace) return undefined;
  const isInterlaced = png[AT.interlace] !== 0;
  const [width, height] = [png.readUInt32BE(AT.width), png.readUInt32BE(AT.height)];
  if (isInterlaced && width * height > MAX_INTERLACED) return undefined;
  const pixels = isInterlaced ? width * height : pixelsInMemory(width, height, ROWS.png);
  const held = pixels * (png[AT.depth] === 16 ? 8 : 4);
  const chunks: Buffer[] = [PNG];
  for (let at = PNG.length; at + 12 <= png.length; ) {
    const name = png.toString("latin1", at + 4, at + 8);
    const end = at + 12 + png.readUInt32BE(at);
    if (DECODED.includes(name)) chunks.push(png.subarray(at, end));
    if (name === "IEND") return { bytes: Buffer.concat(chunks), held };
    at = end;
  }
  return undefined;
}
