import sharp, { type OverlayOptions } from "sharp";
import { makeAvatar } from "../../services/avatars/avatars.images.ts";

/** `node docs/images/draw-avatars.ts` draws docs/images/avatars.webp for README.md, with the code of the service. */

const PORTRAIT = `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="1200" viewBox="0 0 900 1200">
  <defs>
    <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
      <stop offset="0" stop-color="#312e81"/><stop offset=".5" stop-color="#db2777"/><stop offset="1" stop-color="#fdba74"/>
    </linearGradient>
    <linearGradient id="coat" x1="0" y1="0" x2="1" y2="1">
      <stop offset="0" stop-color="#0f766e"/><stop offset="1" stop-color="#134e4a"/>
    </linearGradient>
    <radialGradient id="skin" cx=".42" cy=".38" r=".75">
      <stop offset="0" stop-color="#f6c9a0"/><stop offset="1" stop-color="#c98558"/>
    </radialGradient>
  </defs>
  <rect width="900" height="1200" fill="url(#sky)"/>
  <circle cx="690" cy="330" r="110" fill="#fde68a" opacity=".9"/>
  <path d="M0 760 Q180 600 360 730 T720 690 T900 740 V1200 H0Z" fill="#4c1d95" opacity=".55"/>
  <path d="M0 860 Q240 730 480 850 T900 830 V1200 H0Z" fill="#2e1065" opacity=".6"/>
  <path d="M245 560 Q215 250 450 240 Q700 250 660 590 Q700 760 640 830 H262 Q205 740 245 560Z" fill="#3b1d0f"/>
  <path d="M60 1200 Q90 930 350 880 L450 980 L550 880 Q810 930 840 1200Z" fill="url(#coat)"/>
  <path d="M372 760 H528 V890 Q450 985 372 890Z" fill="#b97549"/>
  <ellipse cx="450" cy="585" rx="172" ry="222" fill="url(#skin)"/>
  <path d="M272 560 Q285 345 460 350 Q625 355 630 565 Q600 450 500 425 Q385 475 272 560Z" fill="#3b1d0f"/>
  <g fill="#2b1509">
    <ellipse cx="382" cy="585" rx="17" ry="21"/><ellipse cx="520" cy="585" rx="17" ry="21"/>
  </g>
  <g fill="#fff"><circle cx="388" cy="578" r="6"/><circle cx="526" cy="578" r="6"/></g>
  <g fill="none" stroke="#3b1d0f" stroke-width="11" stroke-linecap="round">
    <path d="M350 540 Q382 520 414 538"/><path d="M488 538 Q520 520 552 540"/>
  </g>
  <path d="M448 600 Q430 660 456 668" fill="none" stroke="#a8633c" stroke-width="9" stroke-linecap="round"/>
  <path d="M385 705 Q450 772 517 705 Q450 728 385 705Z" fill="#fff" stroke="#9f3a38" stroke-width="9" stroke-linejoin="round"/>
  <g fill="#e1705c" opacity=".35"><circle cx="342" cy="665" r="34"/><circle cx="558" cy="665" r="34"/></g>
</svg>`;

const GAP = 28;
const LABEL = 44;

// as a phone held upright stores it: on its side, with a note on how to turn it
const sent = await sharp(Buffer.from(PORTRAIT))
  .rotate(270)
  .withMetadata({ orientation: 6 })
  .jpeg()
  .toBuffer();
const { variants } = await makeAvatar(sent);
const squares = variants.filter(({ format }) => format === "webp").toReversed();

const asSent = await sharp(sent).resize({ width: 512 }).toBuffer();
const { width: sentWidth = 0, height: sentHeight = 0 } = await sharp(asSent).metadata();
const shown = [
  { bytes: asSent, width: sentWidth, height: sentHeight, label: "sent: on its side, turned by EXIF" },
  ...squares.map(({ size, bytes }) => ({ bytes, width: size, height: size, label: `${size}` })),
];

let left = 0;
const layers: OverlayOptions[] = [];
for (const { bytes, width, height, label } of shown) {
  const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${LABEL}">
    <text x="${width / 2}" y="30" font-family="sans-serif" font-size="20" fill="#888" text-anchor="middle">${label}</text></svg>`;
  layers.push({ input: bytes, left, top: 512 - height }, { input: Buffer.from(text), left, top: 512 });
  left += width + GAP;
}
const canvas = { width: left - GAP, height: 512 + LABEL, channels: 4 as const, background: "#00000000" };
await sharp({ create: canvas }).composite(layers).webp({ quality: 85 }).toFile("docs/images/avatars.webp");
