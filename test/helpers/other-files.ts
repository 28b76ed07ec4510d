import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { MARK, type Row } from "./hostile-file.ts";
import { jpeg, png, sampleImage } from "./images.ts";

const LIMIT = 5 * 2 ** 20;

/** Files that are neither JPEG nor PNG, although some claim to be, and files that are too large. */
export async function otherFiles(): Promise<Row[]> {
  const [aJpeg, aPng, image] = [await jpeg(), await png(), await sampleImage()];
  const avif = await image.clone().avif({ effort: 0 }).toBuffer();
  const branded = (brand: string) => Buffer.from(avif.toString("latin1").replaceAll("avif", brand), "latin1");
  const svg = (content: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${content}</svg>`;
  const refused: [string, Buffer | string][] = [
    ["nothing", ""],
    ["GIF", await image.clone().gif().toBuffer()],
    [
      "animated GIF",
      await sharp([aPng, aPng], { join: { animated: true } })
        .gif()
        .toBuffer(),
    ],
    ["WebP", await image.clone().webp().toBuffer()],
    [
      "animated WebP",
      await sharp([aPng, aPng], { join: { animated: true } })
        .webp({ lossless: true })
        .toBuffer(),
    ],
    ["AVIF", avif],
    ["HEIC", branded("heic")],
    ["HEIF", branded("mif1")],
    ["TIFF", await image.clone().tiff().toBuffer()],
    ["TIFF that holds a JPEG", await image.clone().tiff({ compression: "jpeg" }).toBuffer()],
    ["BMP", `BM${"\0".repeat(8)}6\0\0\0(\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18${"\0".repeat(32)}`],
    [
      "ICO that holds a PNG",
      Buffer.concat([
        Buffer.from([0, 0, 1, 0, 1, 0, 9, 9, 0, 0, 1, 0, 32, 0, aPng.length, 0, 0, 0, 22, 0, 0, 0]),
        aPng,
      ]),
    ],
    ["PPM", "P6 1 1 255\nabc"],
    ["PBM", "P1 1 1 1"],
    ["Radiance HDR", "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\nabcd"],
    ["FITS", "SIMPLE  =                    T".padEnd(2880)],
    ["Photoshop file", `8BPS\0\x01${"\0".repeat(6)}\0\x03\0\0\0\x01\0\0\0\x01\0\x08\0\x03`],
    ["OpenEXR", "v/1\x01\x02\0\0\0"],
    ["JPEG XL", "\xff\x0a\0\0"],
    ["JPEG 2000", "\0\0\0\x0cjP  \r\n\x87\n"],
    ["JPEG 2000 code stream", "\xff\x4f\xff\x51\0\x2f"],
    ["JPEG-LS", "\xff\xd8\xff\xf7\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xd9"],
    ["VIPS's own", "\xb6\xa6\xf2\x08".padEnd(64, "\0")],
    ["SVG", svg("<rect width='9' height='9'/>")],
    ["SVG with a script", svg(MARK)],
    [
      "SVG that reads a file",
      `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>${svg("<text>&f;</text>")}`,
    ],
    [
      "SVG with a billion laughs (nested entities)",
      `<!DOCTYPE x [<!ENTITY a "${"ha".repeat(99)}"><!ENTITY b "${"&a;".repeat(99)}">]>${svg("&b;")}`,
    ],
    ["SVG that loads a remote image", svg(`<image href="http://127.0.0.1:9/x.png" width="9" height="9"/>`)],
    [
      "ImageMagick's MVG",
      "push graphic-context\nfill 'url(https://127.0.0.1/x\"|ls \"-la)'\npop graphic-context",
    ],
    ["ImageMagick's MSL", `<image><read filename="/etc/passwd"/></image>`],
    ["PostScript", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"],
    ["PDF", "%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"],
    ["HTML", `<!doctype html>${MARK}`],
    ["HTML that begins as a GIF", `GIF89a=1;${MARK}`],
    ["HTML with a JPEG's end", Buffer.from(`${MARK}\xff\xd9`, "latin1")],
    ["JSON", `{"a": "${MARK}"}`],
    ["XML", `<?xml version="1.0"?><a>${MARK}</a>`],
    ["text", "hello"],
    ["UTF-16", Buffer.from("\ufeffhello", "utf16le")],
    ["ZIP", `PK\x05\x06${"\0".repeat(18)}`],
    ["GZIP of a PNG", gzipSync(aPng)],
    ["RAR", "Rar!\x1a\x07\0"],
    ["7z", "7z\xbc\xaf\x27\x1c"],
    ["ELF", "\x7fELF\x02\x01\x01"],
    ["Windows program", `MZ${"\0".repeat(62)}`],
    ["Java class", "\xca\xfe\xba\xbe\0\0\0\x34"],
    ["WebAssembly", "\0asm\x01\0\0\0"],
    ["shell script", "#!/bin/sh\nls"],
    ["MP4", "\0\0\0\x18ftypmp42\0\0\0\0mp42isom"],
    ["MP3", "ID3\x04\0\0\0\0\0\0"],
    ["WAV", "RIFF\x24\0\0\0WAVEfmt "],
    ["Matroska", "\x1a\x45\xdf\xa3"],
    ["SQLite", "SQLite format 3\0"],
    ["DICOM that holds a JPEG", Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), aJpeg])],
    ["JPEG after a byte-order mark", Buffer.concat([Buffer.from("\ufeff"), aJpeg])],
    ["JPEG after a space", Buffer.concat([Buffer.from(" "), aJpeg])],
    ["PNG after a line", Buffer.concat([Buffer.from("\r\n"), aPng])],
    ["JPEG without its first byte", aJpeg.subarray(1)],
    ["PNG without its first byte", aPng.subarray(1)],
    ["JPEG backwards", Buffer.from(aJpeg).reverse()],
    ["JPEG in base64", aJpeg.toString("base64")],
    ["PNG as a data URL", `data:image/png;base64,${aPng.toString("base64")}`],
    ["JPEG as UTF-8", Buffer.from(aJpeg.toString("latin1"))],
    ["JPEG after a PNG's signature", Buffer.concat([aPng.subarray(0, 8), aJpeg])],
    ["PNG after a JPEG's signature", Buffer.concat([aJpeg.subarray(0, 3), aPng])],
    ["HTML after a JPEG's signature", `\xff\xd8\xff${MARK}\xff\xd9`],
    ["a JPEG's first two bytes", "\xff\xd8"],
    ["a JPEG's first three bytes", "\xff\xd8\xff"],
    ["a PNG's signature", aPng.subarray(0, 8)],
    ["a PNG's signature and invalid chunks", `\x89PNG\r\n\x1a\n${MARK.repeat(9)}`],
    ["5 MB of zeros", Buffer.alloc(LIMIT)],
    ["5 MB of 0xff", Buffer.alloc(LIMIT, 0xff)],
    ["5 MB of repeated JPEG signatures", Buffer.alloc(LIMIT, aJpeg.subarray(0, 3))],
    ...[0, 10, 0x3c, 0x89, 0xff].map((byte): [string, Buffer] => [`the one byte ${byte}`, Buffer.of(byte)]),
  ];
  const filledTo = (bytes: Buffer, length: number) =>
    Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]);
  return [
    ...refused.map(([name, bytes]): Row => [name, 415, Buffer.from(bytes as string, "latin1")]),
    ["JPEG in a file of 5 MB", 200, filledTo(aJpeg, LIMIT)],
    ["JPEG in a file of 5 MB and a byte", 413, filledTo(aJpeg, LIMIT + 1)],
    ["PNG in a file of 5 MB and a byte", 413, filledTo(aPng, LIMIT + 1)],
    ["zeros of 5 MB and a byte", 413, Buffer.alloc(LIMIT + 1)],
    ["20 MB", 413, Buffer.alloc(4 * LIMIT, MARK)],
  ];
}
