import type { RequestLogEntry } from './request-log.ts';

/** One request within a distributed trace. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** Names this server's span, for whoever asked; W3C Trace Context. */
  readonly traceparent: string;
  /** Ends the span, now. */
  end(entry: RequestLogEntry): void;
}

/** Begins the trace of a request as it arrives. */
export interface RequestTracer {
  /** @param traceparent the caller's span, if it sent one; one that is malformed is ignored, as the standard has it */
  begin(traceparent: string | undefined): RequestTrace;
}
