const { isTTY } = process.stderr;

/** Shows progress on stderr: one line that changes on a terminal, otherwise a new line each time. */
export const progress = (text: string): unknown =>
  process.stderr.write(isTTY ? `\r\u001b[K${text}` : `${text}\n`);
