import { type Span, TracerExporters } from "moleculer";
import type { Tracing } from "../config/config.ts";
import type { Encoding, Finished } from "./collector.types.ts";
import { encodeJaeger } from "./jaeger-thrift.ts";
import { encodeOtlp } from "./otlp.ts";
import { toSpanId, toTraceId } from "./trace-context.ts";

/** The path of JAEGER_ENDPOINT selects the encoding (contract 8). */
const ENCODINGS: Record<Tracing["form"], Encoding> = {
  "/api/traces": encodeJaeger,
  "/v1/traces": encodeOtlp,
};

/** The number of spans per request, and the number that may wait; further spans are dropped. */
const SPANS = { batch: 512, waiting: 4_096 };
/** In ms. A stop waits for the last batch for at most `within`. */
const SEND = { every: 1_000, within: 2_000 };

/**
 * Sends recorded spans to the collector, in the background. If it is down or slow, spans are lost and nothing else is
 * affected.
 */
export class CollectorExporter extends TracerExporters.Base {
  readonly #config: Tracing;
  #waiting: Finished[] = [];
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reachable = true;

  constructor(config: Tracing) {
    super({});
    this.#config = config;
  }

  override init(tracer: TracerExporters.Base["tracer"]): void {
    super.init(tracer);
    this.#timer = setInterval(() => this.#send(), SEND.every).unref();
  }

  override spanFinished(span: Span): void {
    const traceId = toTraceId(span.traceID);
    if (traceId && this.#waiting.length < SPANS.waiting) this.#waiting.push(toFinished(span, traceId));
  }

  override async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sending;
    await this.#send();
  }

  #send(): Promise<void> {
    this.#sending ??= this.#sendBatches().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #sendBatches(): Promise<void> {
    while (this.#waiting.length > 0) {
      const fault = await this.#post(this.#waiting.splice(0, SPANS.batch));
      if (fault && this.#reachable) this.logger.warn(`Spans are lost: JAEGER_ENDPOINT: ${fault}`);
      this.#reachable = !fault;
      if (fault) return;
    }
  }

  /** Resolves with the fault, if any. */
  async #post(spans: Finished[]): Promise<string | undefined> {
    const { endpoint, form } = this.#config;
    const { contentType, encode } = ENCODINGS[form];
    const process = { "service.name": "user-service", "service.instance.id": this.broker.nodeID };
    try {
      const answer = await fetch(endpoint, {
        method: "POST",
        headers: { "Content-Type": contentType },
        body: encode(process, spans),
        signal: AbortSignal.timeout(SEND.within),
      });
      await answer.arrayBuffer();
      return answer.ok ? undefined : `it answers ${answer.status}`;
    } catch (error) {
      const { message, cause } = error as Error;
      return cause instanceof Error ? cause.message : message;
    }
  }
}

/** Params, results and error texts are left out: they hold personal data. */
function toFinished({ id, parentID, name, type, startTime, duration, tags, error }: Span, traceId: string) {
  const { type: fault, code } = (error ?? {}) as { type?: string; code?: number };
  const shown = { ...tags, "error.type": fault, "error.code": code };
  return {
    traceId,
    spanId: toSpanId(id),
    parentId: parentID ? toSpanId(parentID) : undefined,
    name,
    kind: KINDS[type] ?? "server",
    start: startTime ?? 0,
    duration: duration ?? 0,
    failed: error !== null && !(Number(code) < 500),
    tags: Object.entries(shown).flatMap(([key, value]): Finished["tags"] =>
      ["string", "number", "boolean"].includes(typeof value) ? [[key, String(value)]] : [],
    ),
  };
}

/** Moleculer's own types of spans are "action" and "event". */
const KINDS: Record<string, Finished["kind"]> = {
  action: "server",
  event: "consumer",
  client: "client",
  producer: "producer",
  consumer: "consumer",
};
