import {
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import type { RequestLogEntry } from './request-log.ts';
import {
  phasesOf,
  type RequestTrace,
  type RequestTracer,
  spanAttributes,
} from './request-trace.ts';

/** Longest time that the shutdown of the server waits for a collector. */
const EXPORT_TIMEOUT_MS = 5000;

export interface TracingSettings {
  /** Base URL of a collector that takes OTLP over HTTP; `/v1/traces` is added. */
  readonly endpoint: string;
  /** Share of the traces begun here that are sampled, 0 to 1. The flag of a caller's traceparent takes precedence. */
  readonly share: number;
  readonly version: string;
  /** Called when the collector becomes unreachable, and when it is reachable again. */
  readonly note: (message: string) => void;
}

/** Sends one span per request and one per phase of it to a collector. Spans contain no text. */
export class OpenTelemetry implements RequestTracer {
  readonly #provider: BasicTracerProvider;

  constructor({ endpoint, share, version, note }: TracingSettings) {
    const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`;
    const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({
        'service.name': 'thinkgate',
        'service.version': version,
      }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
      spanProcessors: [new BatchSpanProcessor(new AnnouncingExporter(exporter, note))],
    });
  }

  begin(traceparent: string | undefined): RequestTrace {
    const parent = parentOf(traceparent);
    const tracer = this.#provider.getTracer('thinkgate');
    const arrivedAt = Date.now();
    const span = tracer.startSpan('chat', { kind: SpanKind.SERVER, startTime: arrivedAt }, parent);
    const { traceId } = span.spanContext();
    return {
      traceId,
      traceparent: toTraceparent(span.spanContext()),
      end: (entry) => {
        describe(span, entry);
        this.#addPhases(trace.setSpan(parent, span), entry, arrivedAt);
        span.end(arrivedAt + entry.ms.total);
      },
    };
  }

  /** Sends the remaining spans; gives up after the exporter's timeout. */
  async close(): Promise<void> {
    // The exporter has already announced a failure.
    await this.#provider.shutdown().catch(() => undefined);
  }

  #addPhases(context: Context, entry: RequestLogEntry, arrivedAt: number): void {
    const tracer = this.#provider.getTracer('thinkgate');
    for (const { name, from, to } of phasesOf(entry)) {
      const startTime = arrivedAt + from;
      tracer.startSpan(name, { kind: SpanKind.INTERNAL, startTime }, context).end(arrivedAt + to);
    }
  }
}

function describe(span: Span, entry: RequestLogEntry): void {
  if (entry.model !== null) span.updateName(`chat ${entry.model}`);
  span.setAttributes(spanAttributes(entry));
  // OpenTelemetry's rule for server spans: a client error is not an error of the server.
  if (entry.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}

/** version, trace id, span id, flags; a later version may append more. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * The caller's span as the parent of ours (W3C Trace Context, level 1).
 * @returns the root context for a missing or malformed header
 */
export function parentOf(traceparent: string | undefined): Context {
  const found = traceparent === undefined ? null : TRACEPARENT.exec(traceparent);
  if (found === null) return ROOT_CONTEXT;
  const [, version = '', traceId = '', spanId = '', flags = '', more] = found;
  if (version === 'ff' || (version === '00' && more !== undefined)) return ROOT_CONTEXT;
  const caller = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(caller) ? trace.setSpanContext(ROOT_CONTEXT, caller) : ROOT_CONTEXT;
}

/** The `traceparent` header of a span, version 00. */
export function toTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

type Done = Parameters<SpanExporter['export']>[1];

/** ExportResultCode.SUCCESS of OpenTelemetry. */
const SUCCESS = 0;

/**
 * Announces once that spans cannot be sent, and once that they can be sent again. The exporter of OpenTelemetry drops
 * them without a word.
 */
export class AnnouncingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #note: (message: string) => void;
  #numLost = 0;

  constructor(exporter: SpanExporter, note: (message: string) => void) {
    this.#exporter = exporter;
    this.#note = note;
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      if (result.code === SUCCESS) this.#succeed();
      else this.#fail(spans.length, result.error);
      done(result);
    });
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  #succeed(): void {
    if (this.#numLost > 0) this.#note(`traces are sent again; ${this.#numLost} spans are lost`);
    this.#numLost = 0;
  }

  #fail(numSpans: number, error: Error | undefined): void {
    const isFirst = this.#numLost === 0;
    this.#numLost += numSpans;
    if (isFirst) {
      this.#note(`traces cannot be sent: ${error?.message || 'the collector rejects them'}`);
    }
  }
}
