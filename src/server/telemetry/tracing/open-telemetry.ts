import { type Context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import type { RequestLogEntry } from '../request-log.ts';
import type { RequestTrace, RequestTracer } from '../request-trace.ts';
import { AnnouncingExporter } from './announcing-exporter.ts';
import { phasesOf } from './phases.ts';
import { spanAttributes } from './span-attributes.ts';
import { parentOf, toTraceparent } from './trace-context.ts';

/** The end of the server waits for a collector no longer than this. */
const EXPORT_TIMEOUT_MS = 5000;

export interface TracingSettings {
  /** Base URL of a collector that takes OTLP over HTTP; `/v1/traces` is added. */
  readonly endpoint: string;
  /** Share of the traces begun here that are kept, 0 to 1; a caller that traces decides for its own. */
  readonly share: number;
  readonly version: string;
  /** Hears when the collector cannot be reached, and when it can again. */
  readonly note: (message: string) => void;
}

/** Sends a span of every request, and one of each of its phases, to a collector; never any text. */
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

  /** Sends what is still to be sent; a collector that does not answer is not waited for longer than its time-out. */
  async close(): Promise<void> {
    // What could not be sent has been told of by the exporter.
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
  // As OpenTelemetry has it for servers: what the client did wrong is no error of ours.
  if (entry.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}
