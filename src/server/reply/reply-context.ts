import type { GenerationRequest } from '../../engine/generation.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';
import type { ServedModel } from '../http/served-model.ts';
import type { ReasoningDisplay } from './text-display.ts';
import type { OfferedTools } from './tool-calls/open-answer-reader.ts';

/** Identity of a reply, repeated in each of its chunks. */
export interface ReplyIdentity {
  readonly id: string;
  /** Unix time in seconds. */
  readonly created: number;
  /** Name of the model. */
  readonly model: string;
}

/** The facts of a request that its reply is built from. */
export interface ReplyContext {
  readonly identity: ReplyIdentity;
  readonly request: GenerationRequest;
  readonly numChoices: number;
  /** The mode that the client asked for; `request` has the mode that the server resolved from it. */
  readonly requested: ThinkingMode;
  readonly display: ReasoningDisplay;
  readonly tags: Protocol['tags'];
  /** Tools that the model may call; null for none. */
  readonly tools: OfferedTools | null;
  readonly tokens: Pick<ServedModel, 'tokenTable' | 'specialIds'>;
}

/** The parts of a prepared request that its reply depends on. */
export interface PreparedReply extends Pick<ReplyContext, 'request' | 'display' | 'tools'> {
  readonly asked: Pick<ReplyContext, 'requested'>;
}

interface ReplyInput {
  readonly identity: ReplyIdentity;
  readonly prepared: PreparedReply;
  readonly numChoices: number;
}

/** Gathers the facts that a reply to `prepared` needs. */
export function replyContext(
  { identity, prepared, numChoices }: ReplyInput,
  model: Pick<ServedModel, 'manifest' | 'tokenTable' | 'specialIds'>,
): ReplyContext {
  const { request, asked, display, tools } = prepared;
  const { tags } = model.manifest.thinking;
  const { requested } = asked;
  return { identity, request, numChoices, requested, display, tags, tools, tokens: model };
}
