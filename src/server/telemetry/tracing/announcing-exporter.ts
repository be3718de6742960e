import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';

type Done = Parameters<SpanExporter['export']>[1];

/** ExportResultCode.SUCCESS of OpenTelemetry. */
const SUCCESS = 0;

/** Says once when spans can no longer be sent, and once when they can again; OpenTelemetry by itself is silent. */
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
    if (isFirst)
      this.#note(`traces cannot be sent: ${error?.message || 'the collector refused them'}`);
  }
}
