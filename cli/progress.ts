const { isTTY } = process.stderr;

/** Says on stderr what is being done: one line that changes on a terminal, a line each elsewhere. */
export const progress = (text: string): unknown =>
  process.stderr.write(isTTY ? `\r\u001b[K${text}` : `${text}\n`);
