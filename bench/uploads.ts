import http from "node:http";
import sharp from "sharp";

/**
 * Uploads as many files as the server accepts. The load generator cannot do it: its requests are text, and no two files
 * may be the same.
 */

type Job = {
  url: string;
  /** The paths to upload to, one after the other: no two uploads of one user at the same time. */
  paths: string[];
  headers: Record<string, string>;
  file: Buffer;
  atOnce: number;
} & ({ seconds: number; amount?: undefined } | { seconds?: undefined; amount: number });

const HEAD = '--bench\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n';

/**
 * Uploads until the time or the amount is reached; returns the rate of answers per second. Rejects if an upload is
 * refused.
 */
export async function upload({ url, paths, headers, file, atOnce, seconds, amount }: Job): Promise<number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: atOnce });
  const start = performance.now();
  let [sent, last] = [0, start];
  const isOver = () =>
    amount === undefined ? sent > 0 && performance.now() >= start + 1000 * seconds : sent >= amount;
  const lane = async () => {
    while (!isOver()) {
      const path = paths[sent++ % paths.length] ?? "";
      // a different file each time: bytes after the end of an image are ignored
      const body = Buffer.concat([Buffer.from(HEAD), file, Buffer.from(`${Math.random()}\r\n--bench--\r\n`)]);
      await post(`${url}${path}`, headers, body, agent);
      last = performance.now();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  agent.destroy();
  return (1000 * sent) / (last - start);
}

const post = (url: string, headers: Record<string, string>, body: Buffer, agent: http.Agent) =>
  new Promise<void>((resolve, reject) => {
    const form = { "content-type": "multipart/form-data; boundary=bench", "content-length": body.length };
    const request = http.request(
      url,
      { method: "POST", agent, headers: { ...headers, ...form } },
      (answer) => {
        answer.resume().on("end", () => {
          if (answer.statusCode === 200) resolve();
          else reject(new Error(`${url}: ${answer.statusCode}`));
        });
      },
    );
    request.on("error", reject).end(body);
  });

/** A JPEG as large as a photograph of this many pixels: noise with 0.18 bytes per pixel. */
export const photo = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: "#888", noise: NOISE } })
    .jpeg()
    .toBuffer();

const NOISE = { type: "gaussian", mean: 128, sigma: 12 } as const;
