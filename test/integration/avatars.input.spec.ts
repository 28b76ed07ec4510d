import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import sharp from "sharp";
import { errorBody } from "../helpers/errors.ts";
import { FORM, formOf, type Part, uploadOf } from "../helpers/form.ts";
import { blackPng, jpeg, plainPng, png, sampleImage, transparentPng } from "../helpers/images.ts";
import { createUser, type Person, rowOf } from "../helpers/people.ts";
import { type Asked, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Which files are accepted as an avatar, and which are refused. */
let service: TestService;
let image: Buffer;
beforeAll(async () => {
  service = await startService();
  image = await jpeg();
});
afterAll(() => service.stop());

const send = ({ headers: as }: Person, { headers, ...asked }: Asked) =>
  request(service.url, { ...asked, headers: { ...headers, ...as } });
const pathOf = ({ id }: Person) => `/api/v1/users/${id}/avatar`;

/** Sends the upload, and expects that it is refused with this status and changes nothing. */
async function expectRefused(asked: (person: Person) => Asked, status: number, message: unknown) {
  const person = await createUser(service);
  const before = await rowOf(service, person.id);
  const { body } = await send(person, asked(person));
  expect(body).toEqual(errorBody(status, message, pathOf(person)));
  expect(await rowOf(service, person.id)).toEqual(before);
  expect(existsSync(join(process.env.DATA_DIR ?? "", "avatars", person.id))).toBe(false);
}

describe("an upload is 400, with the fault in its message, and changes nothing, if it is", () => {
  const file = (): Part => ({ filename: "me.jpg", type: "image/jpeg", content: image });
  const cut = (by: number) => () => formOf(file()).subarray(0, -by);
  const type = (value: string) => ({ "content-type": value });
  test.each<[string, () => Buffer | string | undefined, Record<string, string>?]>([
    ["no body", () => undefined],
    ["an empty body", () => ""],
    ["no boundary", () => formOf(file()), type("multipart/form-data")],
    ["an empty boundary", () => formOf(file()), type("multipart/form-data; boundary=")],
    ["another boundary", () => formOf(file()), type("multipart/form-data; boundary=x")],
    ["JSON", () => "{}", type("application/json")],
    ["the image itself", () => image, type("image/jpeg")],
    ["another multipart type", () => formOf(file()), type("multipart/mixed; boundary=a-boundary")],
    ["no content type", () => formOf(file()), type("")],
    ["a form without its end", cut(6)],
    ["a form cut off in the file", cut(200)],
    ["a form cut off before the file", () => formOf(file()).subarray(0, 70)],
    ["a form cut off after a part's header", () => formOf({ ...file(), content: "" }).subarray(0, -22)],
    ["a form without a part", () => formOf()],
    ["text that is not a form", () => "hello"],
    ["two files", () => formOf(file(), file())],
    ["two files of two fields", () => formOf(file(), { ...file(), field: "other" })],
    ["three files", () => formOf(file(), file(), file())],
    ["a text field before the file", () => formOf({ field: "id", content: "x" }, file())],
    ["a text field after the file", () => formOf(file(), { field: "note", content: "x" })],
    ["a text field alone", () => formOf({ field: "note", content: "x" })],
    ["a text field with the name of the file field", () => formOf({ field: "file", content: "x" })],
    ["a file in another field", () => formOf({ ...file(), field: "avatar" })],
    ["a file in a field without a name", () => formOf({ ...file(), field: "" })],
    ["a file in FILE", () => formOf({ ...file(), field: "FILE" })],
    [
      "a hundred text fields",
      () => formOf(...Array.from({ length: 100 }, () => ({ field: "f", content: "x" }))),
    ],
  ])("%s", async (_, body, ...[headers = FORM]) => {
    const asked = (person: Person) => ({ method: "POST", path: pathOf(person), headers, body: body() });
    await expectRefused(asked, 400, expect.not.stringMatching(/^(Validation failed)?$/));
  });
});

describe("a file over 5 MB is 413, in any format:", () => {
  const LIMIT = 5 * 1024 * 1024;
  test.each<[string, () => Buffer]>([
    [
      "an image followed by one byte too many",
      () => Buffer.concat([image, Buffer.alloc(LIMIT + 1 - image.length)]),
    ],
    ["zeros", () => Buffer.alloc(LIMIT + 1)],
    ["20 MB", () => Buffer.alloc(4 * LIMIT)],
  ])("%s", async (_, content) => {
    await expectRefused(({ id }) => uploadOf(id, content()), 413, "Avatar file size exceeds 5MB limit");
  });

  test("a file of exactly 5 MB is accepted, although it has bytes after the end of the image", async () => {
    const person = await createUser(service);
    const content = Buffer.concat([image, Buffer.alloc(LIMIT - image.length)]);
    expect((await send(person, uploadOf(person.id, content))).status).toBe(200);
  });
});

describe("a file named me.jpg is 415 if it is not a complete JPEG or PNG:", () => {
  const half = (bytes: Buffer) => bytes.subarray(0, bytes.length / 2);
  const flipped = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 0xff;
    return copy;
  };
  let large: Buffer;
  beforeAll(async () => {
    large = await jpeg({ width: 900, height: 700 });
  });
  test.each<[string, () => Promise<Buffer> | Buffer | string]>([
    ["zero bytes", () => ""],
    ["text", () => "not an image"],
    ["a GIF", async () => (await sampleImage()).gif().toBuffer()],
    ["a WebP", async () => (await sampleImage()).webp().toBuffer()],
    ["a TIFF", async () => (await sampleImage()).tiff().toBuffer()],
    [
      "an SVG",
      () => '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    ],
    ["a PDF", () => "%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"],
    ["HTML that begins like a GIF", () => "GIF89a<script>alert(1)</script>"],
    ["half a JPEG", () => half(large)],
    ["a JPEG's first 3 bytes", () => image.subarray(0, 3)],
    ["a JPEG's head", () => image.subarray(0, 100)],
    ["a JPEG without its last byte", () => large.subarray(0, -1)],
    ["a JPEG without its end marker", () => large.subarray(0, -2)],
    ["a JPEG without its last 10 bytes", () => large.subarray(0, -10)],
    [
      "half a progressive JPEG",
      async () => half(await (await sampleImage()).jpeg({ progressive: true }).toBuffer()),
    ],
    ["half a PNG", async () => half(await png())],
    ["a PNG's signature", async () => (await png()).subarray(0, 8)],
    ["a PNG without its end chunk", async () => (await png()).subarray(0, -12)],
    [
      "a PNG whose pixels were changed",
      async () => {
        const bytes = await png();
        return flipped(bytes, bytes.indexOf("IDAT") + 20);
      },
    ],
    ["a PNG whose header was changed", async () => flipped(await png(), 18)],
    ["a PNG of 60 megapixels", () => blackPng(10_000, 6_000)],
    ["a PNG of 50 megapixels and one column", () => blackPng(10_001, 5_000)],
  ])("%s", async (_, make) => {
    const content = await make();
    await expectRefused(({ id }) => uploadOf(id, content), 415, "Only JPEG and PNG images are supported");
  });
});

describe("any complete JPEG or PNG is 200, with any file name and type:", () => {
  test.each<[string, () => Promise<Buffer>, string, string]>([
    ["one pixel", () => png({ width: 1, height: 1 }), "me.png", "image/png"],
    ["one row", () => jpeg({ width: 3000, height: 1 }), "me.jpg", "image/jpeg"],
    ["a JPEG declared as text", jpeg, "me.txt", "text/plain"],
    ["a PNG declared as a GIF", png, "me.gif", "image/gif"],
    ["a file without a type", jpeg, "", ""],
    ["a name that leads elsewhere", jpeg, "../../../../etc/passwd", "image/jpeg"],
    [
      "a progressive JPEG",
      async () => (await sampleImage()).jpeg({ progressive: true }).toBuffer(),
      "p.jpg",
      "",
    ],
    ["a grey JPEG", async () => (await sampleImage()).greyscale().jpeg().toBuffer(), "g.jpg", ""],
    ["a CMYK JPEG", async () => (await sampleImage()).toColourspace("cmyk").jpeg().toBuffer(), "c.jpg", ""],
    [
      "a grey PNG",
      async () => (await sampleImage()).greyscale().toColourspace("b-w").png().toBuffer(),
      "g.png",
      "",
    ],
    ["a 16-bit PNG", async () => (await sampleImage()).toColourspace("rgb16").png().toBuffer(), "d.png", ""],
    [
      "a PNG of a palette",
      async () =>
        sharp(await transparentPng())
          .png({ palette: true })
          .toBuffer(),
      "p.png",
      "",
    ],
    [
      "a grey PNG with alpha",
      async () =>
        sharp(await transparentPng())
          .toColourspace("b-w")
          .png()
          .toBuffer(),
      "ga.png",
      "",
    ],
    ["50 megapixels of black", async () => blackPng(10_000, 5_000), "black.png", ""],
    ["50 megapixels of colour", () => plainPng(10_000, 5_000), "big.png", ""],
  ])("%s", async (_, make, filename, type) => {
    const person = await createUser(service);
    const { status } = await send(person, uploadOf(person.id, await make(), filename, type));
    expect(status).toBe(200);
    for (const Accept of ["image/webp", "image/*"]) {
      const { bytes } = await request(service.url, { path: pathOf(person), headers: { Accept } });
      const { width, height, space } = await sharp(bytes).metadata();
      expect([width, height, space]).toEqual([512, 512, "srgb"]);
    }
  });
});
