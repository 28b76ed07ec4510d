import { expect, test } from "@jest/globals";
import sharp from "sharp";

const MB = 2 ** 20;
process.constrainedMemory = () => 300 * MB; // set before the imports below, because those modules read it when they are loaded
const { divideMemory, memoryRefusal } = await import("../../services/avatars/avatars.memory.ts");
const { makeAvatar } = await import("../../services/avatars/avatars.images.ts");

test.each([
  { limit: 300, uploads: 2, image: 40 },
  { limit: 400, uploads: 9, image: 93 },
  { limit: 512, uploads: 16, image: 168 },
  { limit: 768, uploads: 33, image: 338 },
  { limit: 1024, uploads: 50, image: 509 },
  { limit: 8192, uploads: 64, image: 5288 },
])(
  "a node with $limit MiB accepts $uploads uploads at once, and images that need up to $image MiB",
  (row) => {
    const { uploads, image } = divideMemory(row.limit * MB);
    expect([uploads, Math.floor(image / MB)]).toEqual([row.uploads, row.image]);
  },
);

test("a node with less than 300 MiB refuses to run avatars, with one line that says how much it needs", () => {
  expect(memoryRefusal(300 * MB)).toBeUndefined();
  expect(memoryRefusal(256 * MB)).toBe(
    "The memory limit is 256 MiB: a node with avatars needs 300 MiB at least (docs/capacity.md)",
  );
});

const jpegOf = (width: number, height: number, progressive: boolean) =>
  sharp({ create: { width, height, channels: 3, background: "#c81e1e" } })
    .jpeg({ progressive })
    .toBuffer();
const pngOf = (width: number, height: number, space: "srgb" | "rgb16") =>
  sharp({ create: { width, height, channels: 4, background: "#c81e1e80" } })
    .toColourspace(space)
    .png({ compressionLevel: 1 })
    .toBuffer();

test.each([
  ["a progressive JPEG of 24 megapixels", () => jpegOf(6_000, 4_000, true)],
  ["a JPEG that is 30,000 pixels wide", () => jpegOf(30_000, 800, false)],
  ["a PNG of 9 megapixels with 16 bits", () => pngOf(3_000, 3_000, "rgb16")],
  ["a PNG that is 50,000 pixels wide", () => pngOf(50_000, 250, "srgb")],
  ["a PNG that is 50,000 pixels high, because it may be rotated", () => pngOf(250, 50_000, "srgb")],
])("a node with 300 MiB refuses %s", async (_what, make) => {
  await expect(makeAvatar(await make())).rejects.toMatchObject({ type: "UNSUPPORTED_IMAGE" });
});

test.each([
  ["a progressive JPEG of 12 megapixels", () => jpegOf(4_000, 3_000, true)],
  ["a JPEG of 24 megapixels", () => jpegOf(6_000, 4_000, false)],
  ["a PNG of 12 megapixels", () => pngOf(4_000, 3_000, "srgb")],
])("a node with 300 MiB accepts %s", async (_what, make) => {
  expect((await makeAvatar(await make())).variants).toHaveLength(8);
});
