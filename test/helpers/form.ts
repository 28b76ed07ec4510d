import type { Asked } from "./request.ts";

/** A part of a multipart form: a file if it has a `filename`, otherwise a text field. */
export type Part = { field?: string; filename?: string; type?: string; content: Buffer | string };

const BOUNDARY = "a-boundary";
export const FORM = { "content-type": `multipart/form-data; boundary=${BOUNDARY}` };

/** The bytes of a form. */
export const formOf = (...parts: Part[]): Buffer =>
  Buffer.concat([
    ...parts.flatMap(({ field = "file", filename, type, content }) => [
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${field}"`),
      Buffer.from(filename === undefined ? "" : `; filename="${filename}"`),
      Buffer.from(type ? `\r\nContent-Type: ${type}\r\n\r\n` : "\r\n\r\n"),
      Buffer.from(content),
      Buffer.from("\r\n"),
    ]),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ]);

/** An upload of one file, as a browser sends it. */
export const uploadOf = (
  id: string,
  content: Buffer | string,
  filename = "me.jpg",
  type = "image/jpeg",
): Asked => ({
  method: "POST",
  path: `/api/v1/users/${id}/avatar`,
  headers: FORM,
  body: formOf({ filename, type, content }),
});
