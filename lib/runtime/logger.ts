import { type DestinationStream, type LogFn, type Logger, type LoggerOptions, pino } from "pino";
import { config } from "../config/config.ts";

/**
 * Moleculer's own modules log little of use below warnings, and at debug they log data that must not be logged
 * (contract 10). So does moleculer-web. Our services log at LOG_LEVEL.
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

/** In ms. A line is sent within a second. A stop waits for the last lines for at most `within`. */
const SEND = { every: 1_000, within: 2_000 };

/** Loki's names for our levels. */
const LOKI_LEVELS = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
  fatal: "critical",
};

/** Pretty-printed on a terminal. */
const output = (): DestinationStream =>
  process.stdout.isTTY
    ? pino.transport({
        target: "pino-pretty",
        options: { messageKey: "message", timestampKey: "timestamp", ignore: "service,node,module" },
      })
    : pino.destination(1);

/**
 * Sends from a separate thread, which buffers a few seconds of lines at most: a slow or unavailable Loki does not slow
 * down the service.
 */
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

/** One JSON object per line (contract 10). */
const options: LoggerOptions = {
  base: { service: "user-service" },
  messageKey: "message",
  timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (level) => ({ level }) },
  serializers: { err: withoutValues },
  level: "trace", // each module has its own level
};
const root = pino(options, destination);
const frameworkRoot = pino({ ...options, hooks: { logMethod: keepArguments } }, destination);

/** Libraries warn on the console, such as Sequelize about a transaction whose connection was lost. */
const consoleLog = root.child({ module: "console" }, { level: config.logLevel });
console.warn = (...words: unknown[]) => consoleLog.warn(words.join(" "));

/** Returns the logger of one module of the broker. */
export function createLogger(level: string, { nodeID, mod }: { nodeID: string; mod: string }): Logger {
  const parent = FRAMEWORK.includes(mod.toLowerCase()) ? frameworkRoot : root;
  return parent.child({ node: nodeID, module: mod }, { level });
}

/**
 * Moleculer's own modules log like a console, with further arguments after the text, which pino would drop. Strings,
 * numbers and lists of them are appended to the text, and an error is logged as such. Other objects are left out, as
 * they may hold personal data.
 */
export function keepArguments(this: Logger, args: Parameters<LogFn>, log: LogFn): void {
  const [first, ...more]: unknown[] = args;
  const texts = more.flat().filter((one) => typeof one === "string" || typeof one === "number");
  const err = more.find((one) => one instanceof Error);
  if (typeof first !== "string" || first.includes("%")) log.apply(this, args);
  else log.call(this, err ? { err } : {}, [first, ...texts].join(" "));
}

/** Keeps only fields without values: PostgreSQL's `detail` and Sequelize's `parameters` hold e-mails. */
function withoutValues(error: Error & { code?: unknown; type?: unknown; cause?: unknown }): object {
  const { name, message, code, type, stack, cause } = error;
  return { name, message, code, type, stack, ...(cause instanceof Error && { cause: withoutValues(cause) }) };
}
