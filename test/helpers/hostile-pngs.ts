import { deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { flipped, MARK, type Row, truncated } from "./hostile-file.ts";
import { blackPng, PNG_SIGNATURE, pngChunk, pngOf, sampleImage } from "./images.ts";

/** Invalid, unusual and valid PNGs. */
export async function hostilePngs(): Promise<Row[]> {
  const made = async (change: (image: Sharp) => Sharp, size = {}) =>
    change(await sampleImage(size)).toBuffer();
  const small = { width: 30, height: 20 };
  const palette = [pngChunk("PLTE", Buffer.alloc(6, "\x10\x20\x30"))];
  const plain = await made((image) => image.png(), { width: 90, height: 300 });
  const interlaced = await made((image) => image.png({ progressive: true }), { width: 90, height: 300 });
  const paletted = await made((image) => image.png({ palette: true }));
  const { icc = Buffer.of() } = await sharp(
    await made((image) => image.withIccProfile("p3").png()),
  ).metadata();
  const behind = (ending: string | Buffer) => Buffer.concat([plain, Buffer.from(ending)]);
  const beside = (...before: Buffer[]) => pngOf(small, { before });
  const packed = (head: string, content: Buffer | string) =>
    Buffer.concat([Buffer.from(head), deflateSync(content)]);
  const flat = pngOf(small);
  const bomb = Buffer.alloc(7_900_000, "x");
  const times = (count: number, chunk: Buffer): Buffer[] => Array.from({ length: count }, () => chunk);
  const animated = [pngChunk("acTL", Buffer.of(0, 0, 0, 2, 0, 0, 0, 0)), frame(0)];
  const pixels = (bytes: number) => ({ pixels: deflateSync(Buffer.alloc(bytes)) });

  return [
    ...[
      [0, 1],
      [0, 2],
      [0, 4],
      [0, 8],
      [0, 16],
      [2, 8],
      [2, 16],
      [4, 8],
      [4, 16],
      [6, 8],
      [6, 16],
    ].map(
      ([colour, depth]): Row => [
        `PNG of colour type ${colour}, ${depth} bits`,
        200,
        pngOf({ ...small, colour, depth }),
      ],
    ),
    ...[1, 2, 4, 8].map(
      (depth): Row => [
        `PNG of a palette, ${depth} bits`,
        200,
        pngOf({ ...small, colour: 3, depth }, { before: palette }),
      ],
    ),
    ["PNG", 200, plain],
    ["PNG of sharp's palette", 200, paletted],
    ["interlaced PNG", 200, interlaced],
    [
      "interlaced PNG of 16 bits",
      200,
      await made((image) => image.toColourspace("rgb16").png({ progressive: true })),
    ],
    [
      "interlaced PNG of one pixel",
      200,
      await made((image) => image.png({ progressive: true }), { width: 1, height: 1 }),
    ],
    ["PNG of one row", 200, pngOf({ width: 9_000, height: 1 })],
    ["PNG of one column", 200, pngOf({ width: 1, height: 9_000 })],
    ["PNG that is wholly transparent", 200, pngOf({ ...small, colour: 6 })],
    ["PNG with a transparent colour", 200, beside(pngChunk("tRNS", Buffer.alloc(6)))],
    [
      "PNG with a transparent palette",
      200,
      pngOf({ ...small, colour: 3 }, { before: [...palette, pngChunk("tRNS", Buffer.of(9))] }),
    ],
    ["PNG in P3", 200, beside(pngChunk("iCCP", packed("p3\0\0", icc)))],
    [
      "PNG in P3, of 16 bits",
      200,
      pngOf({ ...small, depth: 16 }, { before: [pngChunk("iCCP", packed("p3\0\0", icc))] }),
    ],
    [
      "grey PNG with a profile of colours",
      200,
      pngOf({ ...small, colour: 0 }, { before: [pngChunk("iCCP", packed("p3\0\0", icc))] }),
    ],
    ["PNG with gamma", 200, beside(pngChunk("gAMA", Buffer.of(0, 1, 0x86, 0xa0)))],
    ["PNG with a gamma of 0", 200, beside(pngChunk("gAMA", Buffer.alloc(4)))],
    ["PNG with chromaticities of 0", 200, beside(pngChunk("cHRM", Buffer.alloc(32)))],
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map(
      (turn): Row => [`PNG of orientation ${turn}`, 200, beside(pngChunk("eXIf", exif(turn)))],
    ),

    ["PNG with marks in a text", 200, beside(pngChunk("tEXt", `Comment\0${MARK}`))],
    ["PNG with marks in a packed text", 200, beside(pngChunk("zTXt", packed("Comment\0\0", MARK)))],
    [
      "PNG with marks in an international text",
      200,
      beside(pngChunk("iTXt", `XML:com.adobe.xmp\0\0\0\0\0${MARK}`)),
    ],
    ["PNG with 3 MB of text", 200, beside(pngChunk("iTXt", `k\0\0\0\0\0${MARK.repeat(90_000)}`))],
    ["PNG with 10,000 texts", 200, beside(...times(10_000, pngChunk("tEXt", `k\0${MARK}`)))],
    ["PNG with 2 GB of packed texts", 200, beside(...times(300, pngChunk("zTXt", packed("k\0\0", bomb))))],
    [
      "PNG with 2 GB of packed texts after its pixels",
      200,
      pngOf(small, {
        after: times(300, pngChunk("iTXt", packed("k\0\x01\0\0\0", bomb))),
      }),
    ],
    ["PNG with a profile of 50 MB", 200, beside(pngChunk("iCCP", packed("k\0\0", profileOf(50_000_000))))],
    ["PNG with an invalid profile", 200, beside(pngChunk("iCCP", packed("k\0\0", bomb)))],
    ["PNG with a broken profile", 200, beside(pngChunk("iCCP", `k\0\0${MARK}`))],
    [
      "PNG with 1 MB of EXIF",
      200,
      beside(pngChunk("eXIf", Buffer.concat([exif(1), Buffer.alloc(1e6, MARK)]))),
    ],
    ["PNG with invalid EXIF", 200, beside(pngChunk("eXIf", MARK))],
    ["PNG with unknown chunks", 200, beside(pngChunk("ruSt", MARK), pngChunk("quIt", MARK))],
    ["PNG with a broken text", 200, beside(broken(pngChunk("tEXt", `k\0${MARK}`)))],
    ["PNG in 20,000 pieces", 200, pngOf(small, { after: times(20_000, pngChunk("IDAT")) })],
    [
      "animated PNG",
      200,
      pngOf(small, {
        before: animated,
        after: [frame(1), pngChunk("fdAT", packed("\0\0\0\x02", Buffer.alloc(91 * 20)))],
      }),
    ],
    [
      "animated PNG of 4 billion frames",
      200,
      pngOf(small, { before: [pngChunk("acTL", Buffer.alloc(8, 0xff)), frame(0)] }),
    ],

    ["PNG and HTML", 200, behind(`<html>${MARK}</html>`)],
    ["PNG and ZIP", 200, behind(`PK\x03\x04${MARK}PK\x05\x06${"\0".repeat(18)}`)],
    ["PNG and JavaScript", 200, behind(`\n/*${MARK}*/alert(1)`)],
    ["PNG and 3 MB of zeros", 200, behind(Buffer.alloc(3e6))],
    [
      "PNG and PHP in its palette",
      200,
      pngOf({ ...small, colour: 3 }, { before: [pngChunk("PLTE", "<?=`$_GET[0]`?>".padEnd(18))] }),
    ],
    [
      "PNG with HTML as its pixels",
      200,
      pngOf(small, {
        pixels: deflateSync(Buffer.alloc(20 * 91, `\0${MARK.repeat(3)}`.slice(0, 91)), { level: 0 }),
      }),
    ],

    ["PNG of 50 megapixels in one bit", 200, blackPng(50_000, 1_000)],
    ["PNG of 50 megapixels and a column", 415, blackPng(10_001, 5_000)],
    ["PNG of 400 megapixels", 415, blackPng(20_000, 20_000)],
    [
      "PNG that claims to be 2³¹ − 1 squared",
      415,
      pngOf({ width: 1, height: 1 }, {}).fill(0x7f, 16, 17).fill(0xff, 17, 20),
    ],
    ["PNG that unpacks to 100 MB", "200 or 415", pngOf(small, pixels(100_000_000))],
    ["PNG with one row too many", "200 or 415", pngOf(small, pixels(91 * 21))],
    ["PNG with one row too few", 415, pngOf(small, pixels(91 * 19))],
    ["PNG without pixels", 415, pngOf(small, { pixels: Buffer.of() })],
    ["PNG whose pixels are text", 415, pngOf(small, { pixels: Buffer.from(MARK) })],
    ["PNG of width 0", 415, pngOf({ width: 0, height: 9 })],
    ["PNG of height 0", 415, pngOf({ width: 9, height: 0 })],
    ["PNG of colour type 5", 415, pngOf({ ...small, colour: 5 })],
    ["PNG of colour type 7", 415, pngOf({ ...small, colour: 7 }, pixels(2_000))],
    ["PNG of 3 bits", 415, pngOf({ ...small, depth: 3 })],
    ["PNG of 32 bits", 415, pngOf({ ...small, depth: 32 })],
    ["PNG of RGB in 4 bits", 415, pngOf({ ...small, depth: 4 })],
    ["PNG of palette colours without a palette", 415, pngOf({ ...small, colour: 3 })],
    ["PNG of unknown filters", 415, pngOf(small, { pixels: deflateSync(Buffer.alloc(91 * 20, 9)) })],
    [
      "PNG whose end is its first chunk",
      415,
      Buffer.concat([PNG_SIGNATURE, pngChunk("IEND"), plain.subarray(8)]),
    ],
    ["PNG without a head", 415, Buffer.concat([PNG_SIGNATURE, plain.subarray(33)])],
    ["PNG with an unknown critical chunk", "200 or 415", beside(pngChunk("QUIT", MARK))],
    ["PNG with a chunk that claims to have 4 GB", 415, beside(pngChunk("tEXt", MARK).fill(0xff, 0, 4))],
    [
      "PNG whose signature went through FTP",
      415,
      Buffer.from(plain.toString("latin1").replace("\r\n", "\n"), "latin1"),
    ],
    [
      "PNG whose head was changed",
      415,
      Buffer.concat([plain.subarray(0, 29), Buffer.alloc(4), plain.subarray(33)]),
    ],
    [
      "PNG whose pixels' checksum is wrong",
      415,
      Buffer.concat([flat.subarray(0, -16), Buffer.alloc(4), flat.subarray(-12)]),
    ],
    [
      "PNG as an iPhone packs it",
      415,
      Buffer.concat([PNG_SIGNATURE, pngChunk("CgBI", "\x50\0\x20\x06"), plain.subarray(33)]),
    ],
    ["MNG", 415, Buffer.concat([Buffer.from("\x8aMNG\r\n\x1a\n", "latin1"), plain.subarray(8)])],
    ["JNG", 415, Buffer.concat([Buffer.from("\x8bJNG\r\n\x1a\n", "latin1"), plain.subarray(8)])],
    ...truncated("PNG", plain),
    ...truncated("interlaced PNG", interlaced),
    ...truncated("PNG of a palette", paletted),
    ...flipped("PNG", plain, 24),
    ...flipped("interlaced PNG", interlaced, 24),
  ];
}

/** EXIF that contains only an orientation. */
const exif = (orientation: number) =>
  Buffer.concat([
    Buffer.from("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", "latin1"),
    Buffer.of(orientation, 0, 0, 0, 0, 0, 0),
  ]);

/** The control chunk of an animation's frame of 30 × 20. */
const frame = (sequence: number) =>
  pngChunk(
    "fcTL",
    Buffer.of(0, 0, 0, sequence, 0, 0, 0, 30, 0, 0, 0, 20, ...Array(8).fill(0), 0, 1, 0, 1, 0, 0),
  );

const broken = (chunk: Buffer) => Buffer.concat([chunk.subarray(0, -4), Buffer.alloc(4)]);

/** Bytes that claim to be a colour profile of that size. */
function profileOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32BE(length);
  bytes.write("mntrRGB XYZ ", 12, "latin1");
  bytes.write("acsp", 36, "latin1");
  return bytes;
}
