import { expect, test } from "@jest/globals";
import sharp from "sharp";

const MB = 2 ** 20;
process.constrainedMemory = () => 256 * MB; // before the modules are loaded, which read it
const { divideMemory } = await import("../../services/avatars/avatars.memory.ts");
const { makeAvatar } = await import("../../services/avatars/avatars.images.ts");

test.each([
  { limit: 256, uploads: 2, image: 40 },
  { limit: 512, uploads: 10, image: 101 },
  { limit: 768, uploads: 27, image: 272 },
  { limit: 1024, uploads: 44, image: 442 },
  { limit: 8192, uploads: 64, image: 5221 },
])("a node with $limit MiB takes $uploads uploads at once, and an image that needs $image MiB", (row) => {
  const { uploads, image } = divideMemory(row.limit * MB);
  expect([uploads, Math.floor(image / MB)]).toEqual([row.uploads, row.image]);
});

test("on a node with 256 MiB a progressive JPEG of 24 megapixels is refused, and others are accepted", async () => {
  const jpegOf = (megapixels: number, progressive: boolean) =>
    sharp({ create: { width: 1000 * megapixels, height: 1000, channels: 3, background: "#c81e1e" } })
      .jpeg({ progressive })
      .toBuffer();
  await expect(makeAvatar(await jpegOf(24, true))).rejects.toMatchObject({ type: "UNSUPPORTED_IMAGE" });
  expect((await makeAvatar(await jpegOf(6, true))).variants).toHaveLength(8);
  expect((await makeAvatar(await jpegOf(24, false))).variants).toHaveLength(8);
});
