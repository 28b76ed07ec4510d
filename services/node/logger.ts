import { type Logger, pino } from "pino";
import { config } from "../shared/config.ts";

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

/** One JSON object a line, as SPEC 10 wants it; pretty on a terminal. */
const root = pino({
  base: { service: "user-service" },
  messageKey: "message",
  timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (level) => ({ level }) },
  serializers: { err: withoutValues },
  level: "trace", // each module has its own
  ...(process.stdout.isTTY && {
    transport: {
      target: "pino-pretty",
      options: { messageKey: "message", timestampKey: "timestamp", ignore: "service,node,module" },
    },
  }),
});

/** The logger of one module of the broker. */
export const createLogger = (level: string, { nodeID, mod }: { nodeID: string; mod: string }): Logger =>
  root.child({ node: nodeID, module: mod }, { level });

/** Of an error only what holds no values: PostgreSQL's `detail` and Sequelize's `parameters` hold e-mails. */
function withoutValues(error: Error & { code?: unknown; type?: unknown; cause?: unknown }): object {
  const { name, message, code, type, stack, cause } = error;
  return { name, message, code, type, stack, ...(cause instanceof Error && { cause: withoutValues(cause) }) };
}
