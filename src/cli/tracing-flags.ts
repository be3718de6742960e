import { z } from 'zod';
import { OpenTelemetry } from '../server/telemetry/tracing/open-telemetry.ts';
import type { OptionRow } from './option-row.ts';

/** Whether and where `thinkgate serve` sends traces. */
export const tracingFlagsShape = {
  otlpEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  traceShare: z.coerce.number().min(0).max(1),
} as const;

const tracingFlags = z.object(tracingFlagsShape);

export const TRACING_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--otlp-endpoint <url>',
    env: 'THINKGATE_OTLP_ENDPOINT',
    description: 'send a trace of every request to this OpenTelemetry collector, OTLP over HTTP',
  },
  {
    flags: '--trace-share <share>',
    env: 'THINKGATE_TRACE_SHARE',
    description: 'share of the requests traced whose callers do not decide it, 0 to 1',
    default: '1',
  },
];

/** @returns null without a collector */
export function openTracing(
  { otlpEndpoint, traceShare }: z.output<typeof tracingFlags>,
  version: string,
  note: (message: string) => void,
): OpenTelemetry | null {
  if (otlpEndpoint === undefined) return null;
  return new OpenTelemetry({ endpoint: otlpEndpoint, share: traceShare, version, note });
}
