import type { StartState } from '../../engine/thinking/protocol-grammar.ts';
import { protocolStrings } from '../../engine/thinking/protocol-grammar.ts';
import { replaySuffix } from '../../engine/thinking/replay-suffix.ts';
import type { Manifest } from '../../package/manifest.ts';
import type { ModeRow, Protocol, ThinkingMode } from '../../package/protocol.ts';
import type { Tool } from '../reply/tool-calls/tool.ts';
import { ChatInputError } from './chat-input-error.ts';
import { appendMissing, continuationHead, continuationOf } from './continuation.ts';
import { applyHistoryRule, inOrderOfCalls } from './history.ts';
import { hideMessage, hideTool, LookAlikeMask, textsOf } from './look-alike-mask.ts';
import {
  CHAT_CONVERSATION_FIELDS,
  type ChatMessage,
  type ChatToolCall,
  type ContentPart,
  type ConversationFields,
} from './messages.ts';
import { applyModeTexts, budgetVariable, type EffortRow, modeRowOf } from './modes.ts';
import {
  type ChatTemplate,
  type ContentShape,
  contentShapeFor,
  type RenderInput,
  type TemplateMessage,
  type TemplateToolCall,
} from './template.ts';
import type { Tokenizer } from './tokenizer.ts';
import { toTemplateTool, writeToolTexts } from './tool-texts.ts';

/** Prompts end in few ways: one for each mode, unless a template writes a budget there. */
const MAX_STARTS = 64;

const ROLES = ['system', 'user', 'assistant', 'tool'] as const;

export interface PromptWriterOptions {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly manifest: Pick<Manifest, 'thinking' | 'tokens'> & {
    readonly chat: Omit<Manifest['chat'], 'toolCalls'>;
  };
}

export interface WrittenPrompt {
  /** One placeholder id per image, not yet repeated. */
  readonly tokenIds: readonly number[];
  readonly start: StartState;
}

export interface WriteOptions {
  readonly effort?: EffortRow | null;
  /** Most thinking tokens, for families that read it in the prompt; null or absent leaves it to the model. */
  readonly budget?: number | null;
  /** The last message is the beginning of the reply. */
  readonly continueFinal?: boolean;
  /** What the model may call. */
  readonly tools?: readonly Tool[];
  readonly fields?: ConversationFields;
}

/** Turns a conversation into token ids. Nothing that a user typed can become a control token. */
export class PromptWriter {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #placeholder: string;
  readonly #shapes: ReadonlyMap<ChatMessage['role'], ContentShape>;
  readonly #protocol: Protocol;
  readonly #markers: readonly string[];
  readonly #takesTools: boolean;
  /** States in which the protocol's tags leave the text, by the end of the prompt that was seen. */
  readonly #starts = new Map<string, StartState>();

  /** @throws Error where the text of the image placeholder is not the token that the manifest names */
  constructor({ tokenizer, template, manifest }: PromptWriterOptions) {
    checkPlaceholder(tokenizer, manifest);
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#placeholder = `${manifest.chat.imagePlaceholder ?? ''}\n`;
    const { contentFormat } = manifest.chat;
    this.#shapes = new Map(
      ROLES.map((role) => [role, contentShapeFor(template, role, contentFormat)]),
    );
    this.#protocol = manifest.thinking;
    this.#takesTools = template.takesTools;
    this.#markers = [
      ...tokenizer.addedTokens.map(({ content }) => content),
      ...protocolStrings(manifest.thinking),
    ];
    this.#learnModes();
  }

  /**
   * Renders the chat template, appends the part of the mode's prefill that is missing, and encodes the result.
   * @throws ChatInputError where the template rejects the messages, the family lacks the mode, or there is no message
   *   to continue
   */
  write(
    messages: readonly ChatMessage[],
    mode: ThinkingMode,
    options: WriteOptions = {},
  ): WrittenPrompt {
    const { effort = null, budget = null, continueFinal = false, tools = [] } = options;
    const { fields = CHAT_CONVERSATION_FIELDS } = options;
    const row = modeRowOf(this.#protocol, mode, effort);
    if (row === undefined) throw unsupportedMode(mode, this.#protocol, fields);
    const continuation = continueFinal ? continuationOf(messages, this.#protocol, fields) : null;
    const past = continuation === null ? messages : messages.slice(0, -1);
    const mask = new LookAlikeMask(this.#markers, [
      this.#template.source,
      JSON.stringify(this.#protocol),
      ...textsOf(messages, tools),
    ]);
    const variables = { ...row.templateVariables, ...budgetVariable(this.#protocol, budget) };
    const { conversation, generationPrompt } = this.#template.render(
      { ...this.#conversation({ messages: past, tools }, row, mask), variables },
      fields.messages,
    );
    if (continuation !== null) {
      const head = continuationHead(generationPrompt, continuation, this.#protocol);
      const text =
        mask.hide(continuation.reasoning) + head.between + mask.hide(continuation.content);
      return {
        tokenIds: this.#encode(conversation + head.before + text, mask),
        start: continuation.section === 'reasoning' ? 'block-start' : 'answer',
      };
    }
    const suffix = appendMissing(generationPrompt, row.prefill ?? '');
    return {
      tokenIds: this.#encode(conversation + suffix, mask),
      start: this.#startAfter(suffix),
    };
  }

  /** Writes a short prompt in every mode, so that requests find generation prompts and start states ready. */
  #learnModes(): void {
    for (const mode of ['auto', 'think', 'fast'] as const) {
      if (this.#protocol.modes[mode] === undefined) continue;
      try {
        this.write([{ role: 'user', content: 'x' }], mode);
      } catch (error) {
        // A template may reject so short a conversation.
        if (!(error instanceof ChatInputError)) throw error;
      }
    }
  }

  #startAfter(suffix: string): StartState {
    const known = this.#starts.get(suffix);
    if (known !== undefined) return known;
    const start = replaySuffix(this.#protocol, suffix);
    if (this.#starts.size < MAX_STARTS) this.#starts.set(suffix, start);
    return start;
  }

  /** Hides what callers wrote, then adds the protocol's own texts, which may be control tokens. */
  #conversation(
    { messages, tools }: { messages: readonly ChatMessage[]; tools: readonly Tool[] },
    row: ModeRow,
    mask: LookAlikeMask,
  ): Pick<RenderInput, 'messages' | 'tools'> {
    const { replacement = '' } = this.#protocol.history;
    const hasCalls = messages.some(({ role, toolCalls }) => role === 'tool' || toolCalls);
    const past = applyHistoryRule(messages, this.#protocol);
    const kept = (hasCalls ? inOrderOfCalls(past) : past)
      .map((message) => hideMessage(message, mask))
      .map((message) =>
        message.role === 'assistant' && message.reasoning === undefined
          ? { ...message, content: `${replacement}${String(message.content)}` }
          : message,
      );
    const told = applyModeTexts(kept, row);
    const offered = tools.map((tool) => hideTool(tool, mask));
    const needsTexts = !this.#takesTools && (hasCalls || tools.length > 0);
    const written = needsTexts ? writeToolTexts(told, offered) : told;
    return {
      messages: written.map((message) => this.#templateMessage(message)),
      tools: this.#takesTools ? offered.map(toTemplateTool) : [],
    };
  }

  #encode(text: string, mask: LookAlikeMask): number[] {
    const { splitter, encodePlain } = this.#tokenizer;
    return splitter
      .split(text)
      .flatMap((segment) =>
        segment.kind === 'token' ? [segment.id] : encodePlain(mask.restore(segment.text)),
      );
  }

  #templateMessage({ role, reasoning, toolCalls, ...message }: ChatMessage): TemplateMessage {
    const { toolCallId, name } = message;
    const parts = partsOf(message).map((part) =>
      part.type === 'text' ? part : ({ type: 'image', image: 'image' } as const),
    );
    const content =
      this.#shapes.get(role) === 'parts'
        ? parts
        : parts.map((part) => (part.type === 'text' ? part.text : this.#placeholder)).join('');
    return {
      role,
      content,
      ...(reasoning !== undefined && { reasoning_content: reasoning }),
      ...(toolCalls !== undefined && { tool_calls: toolCalls.map(toTemplateCall) }),
      ...(toolCallId !== undefined && { tool_call_id: toolCallId }),
      ...(name !== undefined && { name }),
    };
  }
}

/**
 * Repeats every image's placeholder by the number of tokens the image takes.
 * @param counts tokens per image, in prompt order
 * @param field the field that holds the conversation
 * @throws ChatInputError where the prompt does not hold exactly one placeholder per image
 */
export function repeatPlaceholders(
  tokenIds: readonly number[],
  placeholder: number | null,
  counts: readonly number[],
  field = 'messages',
): Int32Array {
  const found = tokenIds.filter((id) => id === placeholder).length;
  if (found !== counts.length) {
    throw new ChatInputError(
      'image_placeholder_mismatch',
      field,
      `The prompt has ${found} image placeholders for ${counts.length} images; the chat template may not allow an image in this place.`,
    );
  }
  const total = counts.reduce((sum, count) => sum + count, tokenIds.length - found);
  const repeated = new Int32Array(total);
  let at = 0;
  let image = 0;
  for (const id of tokenIds) {
    const count = id === placeholder ? (counts[image++] ?? 0) : 1;
    repeated.fill(id, at, at + count);
    at += count;
  }
  return repeated;
}

function partsOf({ content }: Pick<ChatMessage, 'content'>): readonly ContentPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function toTemplateCall({ id, name, arguments: values }: ChatToolCall): TemplateToolCall {
  return { id, type: 'function', function: { name, arguments: values } };
}

function unsupportedMode(
  mode: ThinkingMode,
  { name, modes }: Protocol,
  { thinkingMode }: ConversationFields,
): ChatInputError {
  const known = Object.keys(modes).join(', ');
  return new ChatInputError(
    'unsupported_value',
    thinkingMode,
    `The thinking mode "${mode}" does not exist for ${name}; it has: ${known}.`,
  );
}

function checkPlaceholder(
  { addedTokens }: Tokenizer,
  { chat, tokens }: PromptWriterOptions['manifest'],
): void {
  if (chat.imagePlaceholder === null) return;
  const token = addedTokens.find(({ content }) => content === chat.imagePlaceholder);
  if (token?.id === tokens.image) return;
  throw new Error(
    `The image placeholder "${chat.imagePlaceholder}" is token ${token?.id ?? 'none'} of the tokenizer, but the manifest says ${tokens.image}.`,
  );
}
