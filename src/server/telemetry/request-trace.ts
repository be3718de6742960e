import type { Attributes } from '@opentelemetry/api';
import type { RequestLogEntry } from './request-log.ts';

/** One request within a distributed trace. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** Header that names this server's span to the caller (W3C Trace Context). */
  readonly traceparent: string;
  /** Ends the span now. */
  end(entry: RequestLogEntry): void;
}

/** Begins the trace of a request when it arrives. */
export interface RequestTracer {
  /** @param traceparent the caller's span, if it sent one; the standard says to ignore a malformed one */
  begin(traceparent: string | undefined): RequestTrace;
}

export interface Phase {
  readonly name: 'prepare' | 'queue' | 'image' | 'prefill' | 'decision' | 'think' | 'answer';
  /** Milliseconds from the arrival of the request. */
  readonly from: number;
  readonly to: number;
}

/**
 * The phases of a request, end to end; with several choices, those of the first. Queue, image and prefill are the
 * engine's sums: they form one phase each, although their parts alternate with steps of other requests. The decision
 * is the rest of the time until the first token. Phases that did not happen are left out.
 */
export function phasesOf({ ms, decision }: Pick<RequestLogEntry, 'ms' | 'decision'>): Phase[] {
  const phases: Phase[] = [];
  let at = 0;
  const next = (name: Phase['name'], to: number): void => {
    const end = Math.min(Math.max(to, at), ms.total);
    if (end > at) phases.push({ name, from: at, to: end });
    at = end;
  };
  for (const name of ['prepare', 'queue', 'image', 'prefill'] as const) {
    next(name, at + (ms[name] ?? 0));
  }
  if (ms.first_token === null) return phases;
  next('decision', ms.first_token);
  if (decision === 'think') next('think', ms.first_answer ?? ms.total);
  next('answer', ms.total);
  return phases;
}

/**
 * Attributes of a request's span. The names are those of OpenTelemetry's conventions for generative AI where these
 * have one (https://opentelemetry.io/docs/specs/semconv/gen-ai/), else they begin with `thinkgate.`. Attributes never
 * hold text of a prompt or an answer. Unknown values are left out.
 */
export function spanAttributes(entry: RequestLogEntry): Attributes {
  const known = Object.entries(allAttributes(entry)).filter(([, value]) => value !== null);
  return Object.fromEntries(known) as Attributes;
}

function allAttributes(entry: RequestLogEntry): Record<string, Attributes[string] | null> {
  const { tokens, sampling, budget } = entry;
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'thinkgate',
    'gen_ai.request.model': entry.model,
    'gen_ai.response.model': entry.model,
    'gen_ai.response.id': entry.completion_id,
    'gen_ai.response.finish_reasons': finishReasons(entry),
    'gen_ai.request.choice.count': entry.num_choices === 1 ? null : entry.num_choices,
    'gen_ai.request.max_tokens': budget.max_tokens,
    'gen_ai.request.temperature': sampling?.temperature ?? null,
    'gen_ai.request.top_p': sampling?.topP ?? null,
    'gen_ai.request.top_k': sampling?.topK ?? null,
    'gen_ai.request.frequency_penalty': sampling?.frequencyPenalty ?? null,
    'gen_ai.request.presence_penalty': sampling?.presencePenalty ?? null,
    'gen_ai.request.seed': sampling?.seed ?? null,
    'gen_ai.usage.input_tokens': tokens.prompt,
    'gen_ai.usage.output_tokens': tokens.preamble + tokens.reasoning + tokens.answer,
    'error.type': entry.error,
    'http.response.status_code': entry.status,
    'thinkgate.request.id': entry.request_id,
    'thinkgate.key.id': entry.key_id,
    'thinkgate.stream': entry.stream,
    'thinkgate.strategy': entry.strategy,
    'thinkgate.thinking.requested': entry.requested,
    'thinkgate.thinking.mode': entry.decision,
    'thinkgate.thinking.source': entry.source,
    'thinkgate.thinking.probability': entry.p_think,
    'thinkgate.thinking.ended_by': entry.ended_by,
    'thinkgate.thinking.budget': budget.effective,
    'thinkgate.thinking.holdout': entry.holdout,
    'thinkgate.usage.cached_tokens': tokens.cached,
    'thinkgate.usage.image_tokens': tokens.image,
    'thinkgate.usage.reasoning_tokens': tokens.reasoning,
    'thinkgate.usage.answer_tokens': tokens.answer,
  };
}

/** One finish reason per choice. */
function finishReasons({ generations, finish_reason: only }: RequestLogEntry): string[] | null {
  const all = generations.length > 0 ? generations.map((made) => made.finish_reason) : [only];
  const known = all.filter((reason) => reason !== null);
  return known.length === 0 ? null : known;
}
