import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";

/** Pictures for the tests: the left half in one colour, the right half in another. */
export async function picture(
  options: { width?: number; height?: number; left?: string; right?: string; channels?: 3 | 4 } = {},
): Promise<Sharp> {
  const { width = 200, height = 100, left = "#ff0000", right = "#0000ff", channels = 3 } = options;
  const half = (background: string) =>
    sharp({ create: { width: Math.ceil(width / 2), height, channels: 4, background } })
      .png()
      .toBuffer();
  const background = { r: 0, g: 0, b: 0, alpha: channels === 4 ? 0 : 1 };
  const both = await sharp({ create: { width, height, channels, background } })
    .composite([
      { input: await half(left), left: 0, top: 0 },
      ...(width > 1 ? [{ input: await half(right), left: Math.floor(width / 2), top: 0 }] : []),
    ])
    .png()
    .toBuffer();
  return sharp(both);
}

export const jpeg = async (options?: Parameters<typeof picture>[0]): Promise<Buffer> =>
  (await picture(options)).jpeg().toBuffer();
export const png = async (options?: Parameters<typeof picture>[0]): Promise<Buffer> =>
  (await picture(options)).png().toBuffer();
/** A PNG that one can look through on its right side. */
export const transparentPng = (): Promise<Buffer> => png({ channels: 4, right: "#00ff0000" });

/** A black PNG, one bit a pixel: large in pixels, small in bytes, and made in no time. */
export function blackPng(width: number, height: number): Buffer {
  const chunk = (name: string, data: Buffer) => {
    const content = Buffer.concat([Buffer.from(name), data]);
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    checksum.writeUInt32BE(crc32(content));
    return Buffer.concat([length, content, checksum]);
  };
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const pixels = deflateSync(Buffer.alloc((1 + Math.ceil(width / 8)) * height));
  const parts = [chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...parts]);
}

/** A coloured PNG as a camera's would be, as far as the work of decoding it goes. */
export const plainPng = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: "#336699" } })
    .png({ compressionLevel: 1 })
    .toBuffer();

/** The colour at a place given in parts of the edges, as "red", "green", "blue" or "none". */
export async function colourAt(image: Buffer, x: number, y: number): Promise<string> {
  const { data, info } = await sharp(image).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = 4 * (Math.floor(y * info.height) * info.width + Math.floor(x * info.width));
  const [red = 0, green = 0, blue = 0, alpha = 0] = data.subarray(at, at + 4);
  if (alpha < 128) return "none";
  return red > 180 ? "red" : blue > 180 ? "blue" : green > 180 ? "green" : "other";
}
