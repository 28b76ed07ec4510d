import sharp from "sharp";
import { type Avatar, makeAvatar } from "../../services/avatars/avatars.images.ts";

const EDGE = 320;

/** Twelve avatars that show a head and shoulders, each on another colour. */
export const sampleAvatars = (): Promise<Avatar[]> =>
  Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const svg = `
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="${EDGE}" height="${EDGE}">
          <rect width="32" height="32" fill="hsl(${n * 30}, 45%, 60%)"/>
          <circle cx="16" cy="12" r="6" fill="hsl(${n * 30}, 30%, 90%)"/>
          <path d="M4 32a12 12 0 0 1 24 0z" fill="hsl(${n * 30}, 30%, 90%)"/>
        </svg>`;
      return makeAvatar(await sharp(Buffer.from(svg)).flatten().jpeg().toBuffer());
    }),
  );
