import type { ChatMessage, ConversationFields } from '../prompt/messages.ts';
import type { ReasoningDisplay } from '../reply/text-display.ts';
import type { RequestedTool } from '../reply/tool-calls/tool.ts';
import type { ThinkingFields } from './thinking-controls.ts';

/**
 * A request to answer a conversation, in no API's words. Every API parses its body into this; the schema of the API has
 * checked types and ranges, and `null` means that the caller left a field out. What depends on the model is checked
 * later, by `prepareGeneration`.
 */
export interface ChatRequest extends GenerationFields {
  /** The name in `model`, as the caller wrote it. */
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** The last message is the beginning of the reply. */
  readonly continuesFinal: boolean;
  readonly thinking: ThinkingFields;
  readonly display: ReasoningDisplay;
  readonly tools: ToolsRequest;
  /** The form of the answer; null for free text. */
  readonly format: AnswerFormat | null;
  readonly fields: FieldNames;
}

/** What a request for a bare prompt and one for a conversation have in common. */
export interface GenerationFields {
  readonly stream: boolean;
  /** Choices of the reply. */
  readonly numChoices: number | null;
  readonly limits: RequestLimits;
  readonly sampling: SamplingFields;
  /** Alternatives to report per token; null reports no log-probabilities. */
  readonly topLogprobs: number | null;
}

export interface RequestLimits {
  /** Most tokens to generate, thinking included. */
  readonly maxTokens: number | null;
  /** Fewest tokens of the answer. */
  readonly minTokens: number;
  readonly stop: readonly string[];
  readonly stopTokenIds: readonly number[];
  /** Milliseconds from arrival to the last token. */
  readonly timeoutMs: number | null;
  /** A lower value is scheduled first. */
  readonly priority: number;
}

export interface SamplingFields {
  readonly temperature: number | null;
  readonly topP: number | null;
  /** 0 and -1 keep all tokens. */
  readonly topK: number | null;
  readonly minP: number | null;
  readonly repetitionPenalty: number | null;
  readonly presencePenalty: number | null;
  readonly frequencyPenalty: number | null;
  /** Token id, as text, to the value added to its logit. */
  readonly logitBias: Readonly<Record<string, number>>;
  readonly seed: number | null;
}

/** A tool that a choice names, and the field that names it. */
export interface NamedTool {
  readonly name: string;
  readonly field: string;
}

export type ToolChoice =
  | { readonly type: 'auto' | 'none' | 'required' }
  /** Only some of the tools may be called; `required`: one of them must be. */
  | { readonly type: 'allowed'; readonly tools: readonly NamedTool[]; readonly required: boolean };

export interface ToolsRequest {
  readonly tools: readonly RequestedTool[];
  /** null where the caller gives none. */
  readonly choice: ToolChoice | null;
  /** Whether several calls may come in one reply; null where the caller says nothing. */
  readonly parallel: boolean | null;
}

export interface AnswerFormat {
  /** JSON Schema of the answer; null for any JSON object. */
  readonly schema: unknown;
  /** The field that holds the schema. */
  readonly field: string;
}

/** What the caller's API calls the fields that an error may name. */
export interface FieldNames extends ConversationFields {
  readonly maxTokens: string;
  readonly format: string;
  readonly toolChoice: string;
  readonly parallelToolCalls: string;
}
