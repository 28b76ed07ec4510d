import { deflateSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import sharp, { type Sharp } from "sharp";
import { SIZES } from "../../services/avatars/avatars.contract.ts";
import { readImageFile } from "../../services/avatars/avatars.files.ts";
import { makeAvatar, refusalAfter } from "../../services/avatars/avatars.images.ts";
import { pngChunk, pngOf } from "../helpers/images.ts";

type Colour = { r: number; g: number; b: number; alpha?: number };
const RED = { r: 220, g: 20, b: 20 };
const unsupported = expect.objectContaining({ type: "UNSUPPORTED_IMAGE", code: 415 });

const image = (width = 300, height = 200, background: Colour = RED): Sharp =>
  sharp({ create: { width, height, channels: background.alpha === undefined ? 3 : 4, background } });

/** An image of noise: if its file is cut short, pixels are lost. */
const noise = (): Sharp =>
  sharp(Buffer.from(Array.from({ length: 96 * 96 * 3 }, (_, n) => (n * 2_654_435_761 * (n % 251)) >>> 11)), {
    raw: { width: 96, height: 96, channels: 3 },
  });

async function colourAt(bytes: Buffer, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  return [
    ...data.subarray(
      (y * info.width + x) * info.channels,
      (y * info.width + x) * info.channels + info.channels,
    ),
  ];
}

const isRed = ([r = 0, g = 0, b = 0]: number[]) => r > 150 && g < 110 && b < 110;

test("an image becomes a square avatar in every size, as WebP and as JPEG", async () => {
  const { variants, fallback } = await makeAvatar(await image().jpeg().toBuffer());
  expect(fallback).toBe("jpeg");
  expect(variants.map(({ size, format }) => `${size} ${format}`).toSorted()).toEqual(
    SIZES.flatMap((size) => [`${size} jpeg`, `${size} webp`]).toSorted(),
  );
  for (const { size, format, bytes } of variants) {
    const { width, height, format: real } = await sharp(bytes).metadata();
    expect({ width, height, real }).toEqual({ width: size, height: size, real: format });
    expect(isRed(await colourAt(bytes, size / 2, size / 2))).toBe(true);
  }
});

test.each([
  [1, 1],
  [1, 2000],
  [3000, 10],
  [64, 64],
  [1, 200_000],
  [200_000, 1],
])("an image of %d × %d becomes a square avatar", async (width, height) => {
  const { variants } = await makeAvatar(await image(width, height).png().toBuffer());
  for (const { size, bytes } of variants)
    expect(await sharp(bytes).metadata()).toMatchObject({ width: size, height: size });
});

test("a transparent image stays transparent, as PNG; an opaque PNG becomes JPEG", async () => {
  const { variants, fallback } = await makeAvatar(
    await image(80, 80, { ...RED, alpha: 0 })
      .png()
      .toBuffer(),
  );
  expect(fallback).toBe("png");
  for (const { bytes } of variants) expect((await colourAt(bytes, 1, 1))[3]).toBe(0);
  expect(
    (
      await makeAvatar(
        await image(80, 80, { ...RED, alpha: 1 })
          .png()
          .toBuffer(),
      )
    ).fallback,
  ).toBe("jpeg");
  const palette = await image(80, 80, { ...RED, alpha: 0.5 })
    .png({ palette: true })
    .toBuffer();
  expect((await makeAvatar(palette)).fallback).toBe("png");
});

/** By EXIF orientation, the corner where the upper left corner of the stored pixels appears. */
const CORNER = [
  "",
  "left top",
  "right top",
  "right bottom",
  "left bottom",
  "left top",
  "right top",
  "right bottom",
  "left bottom",
];

test.each([1, 2, 3, 4, 5, 6, 7, 8])("EXIF orientation %d is applied and removed", async (orientation) => {
  const marked = await image(256, 256, { r: 20, g: 20, b: 220 })
    .composite([{ input: await image(100, 100).png().toBuffer(), left: 0, top: 0 }])
    .jpeg({ quality: 95 })
    .withMetadata({ orientation })
    .toBuffer();
  expect((await sharp(marked).metadata()).orientation).toBe(orientation);
  const { variants } = await makeAvatar(marked);
  const { bytes } = variants.find(({ size, format }) => size === 512 && format === "jpeg") ?? {
    bytes: Buffer.of(),
  };
  const [across, down] = (CORNER[orientation] ?? "").split(" ");
  const near = (side: string | undefined) => (side === "left" || side === "top" ? 40 : 471);
  for (const x of [40, 471])
    for (const y of [40, 471])
      expect([x, y, isRed(await colourAt(bytes, x, y))]).toEqual([
        x,
        y,
        x === near(across) && y === near(down),
      ]);
  expect((await sharp(bytes).metadata()).orientation).toBeUndefined();
});

test("metadata is removed: EXIF, XMP, ICC profile and comments", async () => {
  const file = await image()
    .jpeg()
    .withExif({ IFD0: { Copyright: "SECRET-PLACE" }, IFD3: { GPSLatitude: "51/1 30/1 0/1" } })
    .withIccProfile("p3")
    .toBuffer();
  for (const { bytes } of (await makeAvatar(file)).variants) {
    const { exif, xmp, icc, iptc } = await sharp(bytes).metadata();
    expect([exif, xmp, icc, iptc]).toEqual([undefined, undefined, undefined, undefined]);
    expect(bytes.includes("SECRET-PLACE")).toBe(false);
  }
});

test.each([
  ["a CMYK JPEG", () => image().toColourspace("cmyk").jpeg()],
  ["a 16-bit PNG", () => image().toColourspace("rgb16").png()],
  ["a progressive JPEG", () => image().jpeg({ progressive: true })],
  ["an interlaced PNG", () => image().png({ progressive: true })],
  ["a PNG with a palette", () => image().png({ palette: true })],
])("%s is accepted as an avatar", async (_what, make) => {
  const { variants, fallback } = await makeAvatar(await make().toBuffer());
  expect(fallback).toBe("jpeg");
  for (const { size, bytes } of variants) {
    expect((await sharp(bytes).metadata()).space).toBe("srgb");
    expect(isRed(await colourAt(bytes, size / 2, size / 2))).toBe(true);
  }
});

test.each([
  ["8 bits", 8, 2],
  ["16 bits", 16, 2],
  ["16 bits and alpha", 16, 6],
])("the colours of a wide-gamut profile are converted to sRGB, at %s", async (_what, depth, colour) => {
  const { icc = Buffer.of() } = await sharp(await image().png().withIccProfile("p3").toBuffer()).metadata();
  const profile = pngChunk("iCCP", Buffer.concat([Buffer.from("p3\0\0"), deflateSync(icc)]));
  const green = Buffer.of(40, 200, 60, 255).subarray(0, colour === 6 ? 4 : 3);
  const row = [...Buffer.alloc(green.length * 80, green)].flatMap((byte) =>
    depth === 16 ? [byte, byte] : byte,
  );
  const rows = deflateSync(Buffer.alloc((row.length + 1) * 80, Buffer.of(0, ...row)));
  const file = pngOf({ width: 80, height: 80, depth, colour }, { before: [profile], pixels: rows });
  for (const { bytes } of (await makeAvatar(file)).variants) {
    const [r = 99, g = 0] = await colourAt(bytes, 30, 30);
    expect([r < 5, g > 195 && g < 212]).toEqual([true, true]); // sRGB has no such green: red is cut off at 0
  }
});

test("PNG texts that unpack to gigabytes are not unpacked", async () => {
  const text = pngChunk("zTXt", Buffer.concat([Buffer.from("k\0\0"), deflateSync(Buffer.alloc(7_900_000))]));
  const file = pngOf({ width: 9, height: 9 }, { before: Array.from({ length: 600 }, () => text) });
  await makeAvatar(pngOf({ width: 9, height: 9 }));
  const before = process.resourceUsage().maxRSS;
  expect((await makeAvatar(file)).variants).toHaveLength(8);
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(100 * 1024); // kB
});

test("a grey image is accepted, as JPEG and as PNG", async () => {
  for (const file of [
    await noise().greyscale().jpeg().toBuffer(),
    await noise().greyscale().png().toBuffer(),
  ])
    expect((await makeAvatar(file)).variants).toHaveLength(8);
});

describe("an upload is refused as unsupported", () => {
  test.each([
    ["nothing", async () => Buffer.of()],
    ["a text", async () => Buffer.from("hello")],
    ["an SVG", async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ["a GIF", () => image().gif().toBuffer()],
    ["a WebP", () => image().webp().toBuffer()],
    ["a TIFF", () => image().tiff().toBuffer()],
    ["only the signature of a PNG", async () => (await noise().png().toBuffer()).subarray(0, 8)],
    ["a text that starts like a JPEG", async () => Buffer.from("\xff\xd8\xffhello", "latin1")],
    [
      "more than 50 megapixels",
      () => image(7072, 7072).toColourspace("b-w").png({ compressionLevel: 1 }).toBuffer(),
    ],
  ])("%s", async (_what, make) => {
    await expect(makeAvatar(await make())).rejects.toEqual(unsupported);
  });

  test("an interlaced PNG of more than 16 megapixels, but not the same PNG without interlacing", async () => {
    const png = pngOf({ width: 4_000, height: 4_001, depth: 1, colour: 0 });
    expect((await makeAvatar(png)).variants).toHaveLength(8);
    const ofHeight = (height: number) => {
      const interlaced = Buffer.from(png);
      interlaced.writeUInt32BE(height, 20);
      interlaced[28] = 1;
      return interlaced;
    };
    expect(readImageFile(ofHeight(4_000)).held).toBe(64_000_000);
    expect(() => readImageFile(ofHeight(4_001))).toThrow(unsupported);
  });

  test("a small progressive JPEG whose pixels times scans exceed 600 million", async () => {
    const file = await image(3_000, 3_000).jpeg({ progressive: true }).toBuffer();
    expect((await makeAvatar(file)).variants).toHaveLength(8);
    const lastScan = file.subarray(file.lastIndexOf(Buffer.of(0xff, 0xda)), -2);
    const scans = Array.from({ length: 70 }, () => lastScan);
    const many = Buffer.concat([file.subarray(0, -2), ...scans, Buffer.of(0xff, 0xd9)]);
    await expect(makeAvatar(many)).rejects.toEqual(unsupported);
  });

  test.each(["jpeg", "png"] as const)(
    "a %s that was cut off at any point, also in the part that would be cropped",
    async (format) => {
      const file = await noise().resize(60, 300, { fit: "fill" }).toFormat(format).toBuffer();
      for (const share of [0.01, 0.1, 0.5, 0.9, 0.99])
        await expect(makeAvatar(file.subarray(0, Math.floor(file.length * share)))).rejects.toEqual(
          unsupported,
        );
    },
  );

  test.each(["jpeg", "png"] as const)("a %s without its last bytes", async (format) => {
    const file = await noise().toFormat(format).toBuffer();
    for (const lacking of [1, 2, 8, 12, 13])
      expect([
        lacking,
        await makeAvatar(file.subarray(0, -lacking)).then(
          () => "accepted",
          (error) => error,
        ),
      ]).toEqual([lacking, unsupported]);
  });

  test("a PNG whose pixel data has a wrong checksum", async () => {
    const file = await noise().png().toBuffer();
    const broken = Buffer.from(file);
    broken.writeUInt8((file.at(-20) ?? 0) ^ 0xff, file.length - 20);
    await expect(makeAvatar(broken)).rejects.toEqual(unsupported);
  });
});

test.each([
  ["a baseline JPEG, at most 600 rows", [1_200, 1_000], false, "4:2:0", 600 * 1_200 * 4],
  ["a progressive JPEG without subsampling", [400, 300], true, "4:4:4", 400 * 300 * 6],
  ["a progressive JPEG with 4:2:0 subsampling", [400, 300], true, "4:2:0", 400 * 300 * 3],
] as const)(
  "the memory for decoding is computed from the header: %s",
  async (_what, size, progressive, chroma, held) => {
    const file = await image(...size)
      .jpeg({ progressive, chromaSubsampling: chroma })
      .toBuffer();
    expect(readImageFile(file).held).toBe(held);
  },
);

test.each([
  ["all rows of a small image", { width: 400, height: 300, depth: 8 }, 400 * 300 * 4],
  ["at most 2,048 rows", { width: 3_000, height: 4_000, depth: 8 }, 2_048 * 4_000 * 4],
  ["twice as much with 16 bits", { width: 3_000, height: 3_000, depth: 16 }, 2_048 * 3_000 * 8],
])("the memory for decoding a PNG is computed from the header: %s", (_what, size, held) => {
  expect(readImageFile(pngOf({ ...size, colour: 0 })).held).toBe(held);
});

test.each(["jpeg", "png"] as const)("bytes after the end of a %s are ignored", async (format) => {
  const file = await noise().toFormat(format).toBuffer();
  const { variants } = await makeAvatar(Buffer.concat([file, Buffer.from("after the end")]));
  expect(variants).toHaveLength(8);
  for (const { bytes } of variants) expect(bytes.includes("after the end")).toBe(false);
});

test("decoding that fails after the time limit is answered with 503, decoding that fails earlier with 415", () => {
  expect(refusalAfter(5_000)).toMatchObject({ code: 503, type: "DEPENDENCY_UNAVAILABLE" });
  expect(refusalAfter(4_999)).toMatchObject({ code: 415, type: "UNSUPPORTED_IMAGE" });
});

test("an image of exactly 50 megapixels is accepted", async () => {
  const file = await image(10_000, 5_000).toColourspace("b-w").png({ compressionLevel: 1 }).toBuffer();
  expect((await makeAvatar(file)).variants).toHaveLength(8);
});

test("the same file produces the same variants, another file another hash", async () => {
  const [one, other] = [await image().png().toBuffer(), await image(301).png().toBuffer()];
  expect(await makeAvatar(one)).toEqual(await makeAvatar(one));
  expect((await makeAvatar(one)).hash).not.toBe((await makeAvatar(other)).hash);
});
