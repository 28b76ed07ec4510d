import sharp from "sharp";
import { uploadOf } from "./form.ts";
import { type HostileFile, MARK } from "./hostile-file.ts";
import { request } from "./request.ts";

const SIZES = [64, 128, 256, 512]; // contract 2; an import of the service would load its configuration too early

/** A user id and the headers that authenticate that user. */
export type Uploader = { id: string; headers: Record<string, string> };

/**
 * Uploads a file to the service at `url` and checks the avatar that is served afterwards. Returns a description of the
 * fault, or undefined. Faults: another status than expected, an avatar that was not re-encoded, or a refusal that
 * changed the avatar.
 */
export async function faultOf(
  url: string,
  uploader: Uploader,
  file: HostileFile,
): Promise<string | undefined> {
  const before = await stamp(url, uploader);
  const asked = uploadOf(uploader.id, file.bytes);
  const { status } = await request(url, { ...asked, headers: { ...asked.headers, ...uploader.headers } });
  if (!String(file.outcome).split(" or ").includes(String(status)))
    return `${file.name}: ${status}, not ${file.outcome}`;
  if (status !== 200) {
    const isSame = (await stamp(url, uploader)) === before;
    return isSame ? undefined : `${file.name}: refused, but the avatar changed`;
  }
  for (const avatar of await served(url, uploader)) {
    const fault = await faultInAvatar(avatar, file.bytes);
    if (fault) return `${file.name}: ${avatar.size} ${avatar.accept} ${fault}`;
  }
  return undefined;
}

/** Identifies the current avatar: its status and ETag. */
async function stamp(url: string, { id }: Uploader): Promise<string> {
  const { status, headers } = await request(url, { method: "HEAD", path: `/api/v1/users/${id}/avatar` });
  return `${status} ${headers.etag}`;
}

type Served = { size: number; accept: string; status: number; type: string; bytes: Buffer };

/** The avatar in every size, as WebP and in the fallback format. */
function served(url: string, { id }: Uploader): Promise<Served[]> {
  const wanted = SIZES.flatMap((size) => ["image/webp", "image/*"].map((accept) => ({ size, accept })));
  return Promise.all(
    wanted.map(async ({ size, accept }) => {
      const path = `/api/v1/users/${id}/avatar?size=${size}`;
      const { status, headers, bytes } = await request(url, { path, headers: { accept } });
      return { size, accept, status, type: String(headers["content-type"]), bytes };
    }),
  );
}

async function faultInAvatar(avatar: Served, sent: Buffer): Promise<string | undefined> {
  const { size, status, type, bytes } = avatar;
  if (status !== 200) return `is ${status}`;
  const metadata = await sharp(bytes).metadata();
  const { width, height, format, exif, icc, iptc, xmp, comments, orientation } = metadata;
  if (width !== size || height !== size || type !== `image/${format}`)
    return "has another size or format than it declares";
  if (exif ?? icc ?? iptc ?? xmp ?? comments ?? orientation) return "has metadata";
  if (bytes.includes(MARK) || bytes.includes("HOSTILE")) return "contains a marker of the uploaded file";
  if (bytes.includes(sent)) return "contains the uploaded file";
  return undefined;
}
