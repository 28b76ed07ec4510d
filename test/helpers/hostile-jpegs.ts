import type { Sharp } from "sharp";
import { flipped, MARK, type Row, truncated } from "./hostile-file.ts";
import { jpegSegment, sampleImage, withSegments } from "./images.ts";

const EXIF = 0xe1;
const ICC = 0xe2;
const COMMENT = 0xfe;
const times = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);

/** Invalid, unusual and valid JPEGs. */
export async function hostileJpegs(): Promise<Row[]> {
  const made = async (change: (image: Sharp) => Sharp, size = {}) =>
    change(await sampleImage(size)).toBuffer();
  const plain = await made((image) => image.jpeg());
  const tall = await made((image) => image.jpeg(), { width: 90, height: 300 });
  const progressive = await made((image) => image.jpeg({ progressive: true }), { width: 90, height: 300 });
  const marked = await made((image) => image.jpeg().withExif({ IFD0: { Copyright: MARK, Artist: MARK } }));
  const withThumbnail = withSegments(
    plain,
    jpegSegment(EXIF, Buffer.concat([Buffer.from("Exif\0\0"), plain])),
  );
  const before = (ending: Buffer | string) => Buffer.concat([plain.subarray(0, -2), Buffer.from(ending)]);
  const behind = (ending: Buffer | string) => Buffer.concat([plain, Buffer.from(ending)]);
  const comment = jpegSegment(COMMENT, MARK);
  const profile = (part: number, of: number) =>
    jpegSegment(
      ICC,
      Buffer.concat([Buffer.from("ICC_PROFILE\0"), Buffer.of(part, of), Buffer.alloc(60_000, MARK)]),
    );

  return [
    ["JPEG", 200, plain],
    ["progressive JPEG", 200, progressive],
    ["JPEG of one pixel", 200, await made((image) => image.jpeg(), { width: 1, height: 1 })],
    ["JPEG of one row", 200, await made((image) => image.jpeg(), { width: 5_000, height: 1 })],
    ["JPEG of one column", 200, await made((image) => image.jpeg(), { width: 1, height: 5_000 })],
    ["grey JPEG", 200, await made((image) => image.toColourspace("b-w").jpeg())],
    ["CMYK JPEG", 200, await made((image) => image.toColourspace("cmyk").jpeg())],
    [
      "CMYK JPEG with a profile",
      200,
      await made((image) => image.toColourspace("cmyk").withIccProfile("cmyk").jpeg()),
    ],
    ["JPEG in P3", 200, await made((image) => image.withIccProfile("p3").jpeg())],
    ["JPEG without subsampling", 200, await made((image) => image.jpeg({ chromaSubsampling: "4:4:4" }))],
    ["JPEG with marks in EXIF", 200, marked],
    ["JPEG with marks in XMP", 200, await made((image) => image.jpeg().withXmp(`<x>${MARK}</x>`))],
    ["JPEG with a thumbnail", 200, withThumbnail],
    ...(await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map(
        async (orientation): Promise<Row> => [
          `JPEG of orientation ${orientation}`,
          200,
          await made((image) => image.jpeg().withMetadata({ orientation })),
        ],
      ),
    )),
    ["JPEG of orientation 0", 200, orientedBy(marked, 0)],
    ["JPEG of orientation 9", 200, orientedBy(marked, 9)],
    ["JPEG of orientation 65,535", 200, orientedBy(marked, 0xffff)],

    ["JPEG with HTML in a comment", 200, withSegments(plain, comment)],
    ["JPEG with 10,000 comments", 200, withSegments(plain, ...times(10_000, comment))],
    ["JPEG with IPTC", 200, withSegments(plain, jpegSegment(0xed, `Photoshop 3.0\0${MARK}`))],
    [
      "JPEG with 4 MB of EXIF",
      200,
      withSegments(plain, ...times(64, jpegSegment(EXIF, Buffer.alloc(65_000, `Exif\0\0${MARK}`)))),
    ],
    [
      "JPEG with 4 MB of XMP",
      200,
      withSegments(
        plain,
        ...times(64, jpegSegment(EXIF, Buffer.alloc(65_000, `http://ns.adobe.com/xap/1.0/\0${MARK}`))),
      ),
    ],
    [
      "JPEG with 3 MB of an invalid profile",
      200,
      withSegments(plain, ...times(50, 0).map((_, n) => profile(n + 1, 50))),
    ],
    ["JPEG with a profile without its second part", 200, withSegments(plain, profile(1, 2))],
    [
      "JPEG with invalid EXIF",
      200,
      withSegments(plain, jpegSegment(EXIF, `Exif\0\0MM\0*\xff\xff\xff\xff${MARK}`)),
    ],
    [
      "JPEG with circular EXIF",
      200,
      withSegments(plain, jpegSegment(EXIF, "Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\x08")),
    ],
    ["JPEG with an empty segment", 200, withSegments(plain, jpegSegment(0xe9, ""))],
    ["JPEG with 2 MB of fill bytes", 200, withSegments(plain, Buffer.alloc(2e6, 0xff))],
    [
      "JPEG with 2 MB of stuffed bytes",
      200,
      before(Buffer.concat([Buffer.alloc(2e6, Buffer.of(0xff, 0)), Buffer.of(0xff, 0xd9)])),
    ],

    ["JPEG and HTML", 200, behind(`<html>${MARK}</html>`)],
    ["JPEG and PHP", 200, behind(`<?php system($_GET[0]); /*${MARK}*/ ?>`)],
    ["JPEG and ZIP", 200, behind(`PK\x03\x04${MARK}PK\x05\x06${"\0".repeat(18)}`)],
    ["JPEG and PDF", 200, behind(`%PDF-1.7\n${MARK}\n%%EOF`)],
    ["JPEG and a video", 200, behind(`\0\0\0\x18ftypmp42${MARK}`)],
    ["JPEG and a JPEG", 200, behind(plain)],
    ["JPEG and 3 MB of zeros", 200, behind(Buffer.alloc(3e6))],
    ["JPEG and 9 ends", 200, behind(Buffer.alloc(18, Buffer.of(0xff, 0xd9)))],
    [
      "JPEG that is JavaScript",
      200,
      withSegments(
        plain,
        jpegSegment(0xe0, Buffer.alloc(0x2f2a - 2, " ")),
        jpegSegment(COMMENT, `*/=1;${MARK}/*`),
      ),
    ],
    [
      "JPEG that is a shell script",
      200,
      withSegments(plain, jpegSegment(COMMENT, `\n#!/bin/sh\n${MARK}\nexit\n`)),
    ],

    ...truncated("JPEG", plain),
    ...truncated("tall JPEG", tall),
    ...truncated("progressive JPEG", progressive),
    ["JPEG with a thumbnail, cut off", 415, withThumbnail.subarray(0, -3)],
    ["JPEG cut off before HTML", 415, Buffer.concat([tall.subarray(0, -90), Buffer.from(MARK)])],
    ["JPEG without its end, before zeros", 415, before(Buffer.alloc(5_000))],
    [
      "JPEG cut off, with an end marker",
      "200 or 415",
      Buffer.concat([tall.subarray(0, -300), Buffer.of(0xff, 0xd9)]),
    ],
    ["JPEG of start and end marker only", 415, Buffer.of(0xff, 0xd8, 0xff, 0xd9)],
    [
      "JPEG without pixels",
      415,
      Buffer.concat([plain.subarray(0, plain.indexOf(Buffer.of(0xff, 0xda))), Buffer.of(0xff, 0xd9)]),
    ],
    ["JPEG that leaves its Huffman tables to the decoder", 200, replaced(plain, 0xc4, COMMENT)],
    ["JPEG without a quantisation table", 415, replaced(plain, 0xdb, COMMENT)],
    ["JPEG without a frame", 415, replaced(plain, 0xc0, COMMENT)],
    ["JPEG that claims to be lossless", 415, replaced(plain, 0xc0, 0xc3)],
    ["JPEG that claims to be hierarchical", 415, replaced(plain, 0xc0, 0xc5)],
    ["JPEG that claims to be arithmetic", "200 or 415", replaced(plain, 0xc0, 0xc9)],
    ["JPEG that claims to be progressive", "200 or 415", replaced(plain, 0xc0, 0xc2)],
    ["JPEG with two frames", 415, twice(plain, 0xc0)],
    ["JPEG of 12 bits", 415, inFrame(plain, 4, 12)],
    ["JPEG of height 0", 415, inFrame(plain, 5, 0, 0)],
    ["JPEG of width 0", 415, inFrame(plain, 7, 0, 0)],
    ["JPEG without components", 415, inFrame(plain, 9, 0)],
    ["JPEG of 255 components", 415, inFrame(plain, 9, 255)],
    ["JPEG that claims to be taller", "200 or 415", inFrame(plain, 5, 1, 0)],
    ["JPEG that claims to be less tall", "200 or 415", inFrame(plain, 5, 0, 30)],
    ["JPEG that claims to be 65,500 × 65,500", 415, inFrame(plain, 5, 0xff, 0xdc, 0xff, 0xdc)],
    [
      "JPEG that claims to have 50 megapixels",
      "200 or 415",
      inFrame(plain, 5, 7_000 >> 8, 7_000 & 255, 7_100 >> 8, 7_100 & 255),
    ],
    ["JPEG with 100,000 tables", 200, withSegments(plain, ...times(100_000, segmentOf(plain, 0xc4)))],
    ["JPEG with a segment of length 0", "200 or 415", withSegments(plain, Buffer.of(0xff, 0xe5, 0, 0))],
    ["JPEG with 200 more scans", "200 or 415", withMoreScans(progressive, 200)],
    ...flipped("JPEG", plain, 24),
    ...flipped("progressive JPEG", progressive, 24),
  ];
}

const markerAt = (jpeg: Buffer, marker: number) => jpeg.indexOf(Buffer.of(0xff, marker));

function segmentOf(jpeg: Buffer, marker: number): Buffer {
  const at = markerAt(jpeg, marker);
  return jpeg.subarray(at, at + 2 + jpeg.readUInt16BE(at + 2));
}

const twice = (jpeg: Buffer, marker: number) => withSegments(jpeg, segmentOf(jpeg, marker));

/** Replaces the marker of every segment of one kind by another marker. */
function replaced(jpeg: Buffer, from: number, to: number): Buffer {
  const bytes = Buffer.from(jpeg);
  for (let at = markerAt(bytes, from); at >= 0; at = markerAt(bytes, from)) bytes[at + 1] = to;
  return bytes;
}

/** Replaces bytes at an offset from the start of the frame's header. */
function inFrame(jpeg: Buffer, offset: number, ...values: number[]): Buffer {
  const bytes = Buffer.from(jpeg);
  bytes.set(values, markerAt(bytes, 0xc0) + offset);
  return bytes;
}

/** Replaces the first EXIF entry by an orientation, if EXIF does not have one. */
function orientedBy(jpeg: Buffer, orientation: number): Buffer {
  const bytes = Buffer.from(jpeg);
  const entry = Buffer.from([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation & 255, orientation >> 8, 0, 0]);
  bytes.set(entry, bytes.indexOf("Exif\0\0") + 6 + 8 + 2);
  return bytes;
}

function withMoreScans(progressive: Buffer, count: number): Buffer {
  const lastScan = progressive.subarray(progressive.lastIndexOf(Buffer.of(0xff, 0xda)), -2);
  return Buffer.concat([progressive.subarray(0, -2), ...times(count, lastScan), Buffer.of(0xff, 0xd9)]);
}
