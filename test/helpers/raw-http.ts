import { connect } from "node:net";
import { buffer } from "node:stream/consumers";

export type RawAnswer = { status: number; headers: Record<string, string>; body: string };

/** Sends these parts unchanged on one connection. Returns all answers after the server has closed it. */
export async function sendRaw(url: string, ...parts: (string | Buffer)[]): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setNoDelay();
  for (const part of parts) socket.write(typeof part === "string" ? Buffer.from(part, "latin1") : part);
  return parse((await buffer(socket)).toString("latin1"));
}

function parse(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; rest !== ""; ) {
    const end = rest.indexOf("\r\n\r\n");
    const [line = "", ...lines] = rest.slice(0, end).split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(":")).toLowerCase(),
        line.slice(line.indexOf(":") + 1).trim(),
      ]),
    );
    const length = Number(headers["content-length"] ?? 0);
    const body = rest.slice(end + 4, end + 4 + length);
    answers.push({ status: Number(line.split(" ")[1]), headers, body });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}
