/** A finished span to be sent. Times are in ms since 1970. */
export type Finished = {
  traceId: string;
  spanId: string;
  parentId: string | undefined;
  name: string;
  kind: "server" | "client" | "producer" | "consumer";
  start: number;
  duration: number;
  failed: boolean;
  tags: [name: string, value: string][];
};

/** Converts spans to a request body, and names its Content-Type. */
export type Encoding = {
  contentType: string;
  encode(process: Record<string, string>, spans: Finished[]): Buffer | string;
};
