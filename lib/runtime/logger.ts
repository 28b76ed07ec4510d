import { type DestinationStream, type Logger, type LoggerOptions, pino } from "pino";
import { config } from "./config.ts";

/**
 * Moleculer's own modules say little of use below warnings, and at debug they log what must not be logged (SPEC 10);
 * so does moleculer-web. Ours are as LOG_LEVEL says.
 */
const FRAMEWORK = [
  "broker",
  "registry",
  "transit",
  "transporter",
  "discovery",
  "cacher",
  "tracer",
  "metrics",
];
const severity = (level: string) => pino.levels.values[level] ?? 0;
const atLeast = (level: string) => (severity(config.logLevel) > severity(level) ? config.logLevel : level);

/** Log levels by module. */
export const LEVELS: Record<string, string> = {
  ...Object.fromEntries(FRAMEWORK.map((name) => [name.toUpperCase(), atLeast("warn")])),
  API: atLeast("info"),
  "**": config.logLevel,
};

/** In ms. A line is sent within a second; a stop waits for the last ones no longer than `within`. */
const SEND = { every: 1_000, within: 2_000 };

/** Loki's names of our levels. */
const LOKI_LEVELS = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
  fatal: "critical",
};

/** Pretty on a terminal. */
const output = (): DestinationStream =>
  process.stdout.isTTY
    ? pino.transport({
        target: "pino-pretty",
        options: { messageKey: "message", timestampKey: "timestamp", ignore: "service,node,module" },
      })
    : pino.destination(1);

/** From a thread of its own, which keeps some seconds' lines at most: a Loki that is down or slow costs nothing here. */
const loki = (host: string): DestinationStream =>
  pino.transport({
    target: "pino-loki",
    options: {
      host,
      labels: { service: "user-service" },
      propsToLabels: ["node"],
      levelMap: LOKI_LEVELS,
      batching: { interval: SEND.every / 1000, maxBufferSize: 10_000 },
      timeout: SEND.within,
      silenceErrors: true,
    },
  });

const everything = (stream: DestinationStream) => ({ stream, level: "trace" as const });
const destination = config.lokiHost
  ? pino.multistream([output(), loki(config.lokiHost)].map(everything))
  : output();

/** One JSON object a line, as SPEC 10 wants it. */
const options: LoggerOptions = {
  base: { service: "user-service" },
  messageKey: "message",
  timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (level) => ({ level }) },
  serializers: { err: withoutValues },
  level: "trace", // each module has its own
};
const root = pino(options, destination);

/** The logger of one module of the broker. */
export const createLogger = (level: string, { nodeID, mod }: { nodeID: string; mod: string }): Logger =>
  root.child({ node: nodeID, module: mod }, { level });

/** Of an error only what holds no values: PostgreSQL's `detail` and Sequelize's `parameters` hold e-mails. */
function withoutValues(error: Error & { code?: unknown; type?: unknown; cause?: unknown }): object {
  const { name, message, code, type, stack, cause } = error;
  return { name, message, code, type, stack, ...(cause instanceof Error && { cause: withoutValues(cause) }) };
}
