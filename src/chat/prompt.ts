import type { Manifest } from '../model-package/manifest.ts';
import type { Protocol, ThinkingMode } from '../model-package/protocol.ts';
import type { StartSection } from '../thinking/decision.ts';
import { LookAlikeMask } from './added-tokens.ts';
import { ChatInputError } from './chat-input-error.ts';
import { type ContentShape, contentShapeFor } from './content-shape.ts';
import { applyHistoryRule } from './history.ts';
import type { ChatMessage, ContentPart } from './messages.ts';
import type { ChatTemplate, TemplateMessage } from './template.ts';
import type { Tokenizer } from './tokenizer.ts';

const ROLES = ['system', 'user', 'assistant', 'tool'] as const;

export interface PromptWriterOptions {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly manifest: Pick<Manifest, 'chat' | 'thinking' | 'tokens'>;
}

export interface WrittenPrompt {
  /** One placeholder id per picture, not yet repeated. */
  readonly tokenIds: readonly number[];
  readonly start: StartSection;
}

/** Turns a conversation into token ids in which nothing a user typed can pass for a control token. */
export class PromptWriter {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #placeholder: string;
  readonly #shapes: ReadonlyMap<ChatMessage['role'], ContentShape>;
  readonly #protocol: Protocol;
  readonly #markers: readonly string[];

  /** @throws Error when the picture placeholder's text is not the token the manifest names */
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
    const { open, close } = manifest.thinking.tags;
    this.#markers = [...tokenizer.addedTokens.map(({ content }) => content), open, close];
  }

  /**
   * Renders the chat template, appends what the mode's prefill still lacks and encodes the result.
   * @throws ChatInputError when the template refuses the messages or the family lacks the mode
   */
  write(messages: readonly ChatMessage[], mode: ThinkingMode): WrittenPrompt {
    const modeRow = this.#protocol.modes[mode];
    if (modeRow === undefined) throw unsupportedMode(mode, this.#protocol);
    const kept = applyHistoryRule(messages, this.#protocol);
    const mask = new LookAlikeMask(this.#markers, [this.#template.source, ...textsOf(kept)]);
    const { conversation, generationPrompt } = this.#template.render({
      messages: kept.map((message) => this.#templateMessage(message, mask)),
      variables: modeRow.templateVariables ?? {},
    });
    const suffix = appendMissing(generationPrompt, modeRow.prefill ?? '');
    return {
      tokenIds: this.#encode(conversation + suffix, mask),
      start: startSection(suffix, this.#protocol.tags),
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

  #templateMessage(message: ChatMessage, mask: LookAlikeMask): TemplateMessage {
    const parts = partsOf(message).map((part) =>
      part.type === 'text'
        ? ({ type: 'text', text: mask.hide(part.text) } as const)
        : ({ type: 'image', image: 'image' } as const),
    );
    const content =
      this.#shapes.get(message.role) === 'parts'
        ? parts
        : parts.map((part) => (part.type === 'text' ? part.text : this.#placeholder)).join('');
    if (message.reasoning === undefined) return { role: message.role, content };
    return { role: message.role, content, reasoning_content: mask.hide(message.reasoning) };
  }
}

/** Appends to a text only what it does not already end with, so that no tag is written twice. */
export function appendMissing(text: string, wanted: string): string {
  for (let overlap = wanted.length; overlap > 0; overlap -= 1) {
    if (text.endsWith(wanted.slice(0, overlap))) return text + wanted.slice(overlap);
  }
  return text + wanted;
}

/** Where generation begins, read from what template and prefill wrote after the conversation. */
export function startSection(suffix: string, { open, close }: Protocol['tags']): StartSection {
  const opened = suffix.lastIndexOf(open);
  const closed = suffix.lastIndexOf(close);
  if (closed > opened) return 'answer';
  return opened >= 0 ? 'block' : 'outside';
}

/**
 * Repeats every picture's placeholder by the number of tokens the picture takes.
 * @param counts tokens per picture, in prompt order
 * @throws ChatInputError when the prompt does not hold exactly one placeholder per picture
 */
export function repeatPlaceholders(
  tokenIds: readonly number[],
  placeholder: number | null,
  counts: readonly number[],
): Int32Array {
  const found = tokenIds.filter((id) => id === placeholder).length;
  if (found !== counts.length) {
    throw new ChatInputError(
      'image_placeholder_mismatch',
      'messages',
      `The prompt has ${found} picture placeholders for ${counts.length} pictures; the chat template may not allow a picture in this place.`,
    );
  }
  const total = counts.reduce((sum, count) => sum + count, tokenIds.length - found);
  const repeated = new Int32Array(total);
  let at = 0;
  let picture = 0;
  for (const id of tokenIds) {
    const count = id === placeholder ? (counts[picture++] ?? 0) : 1;
    repeated.fill(id, at, at + count);
    at += count;
  }
  return repeated;
}

function partsOf({ content }: ChatMessage): readonly ContentPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function textsOf(messages: readonly ChatMessage[]): string[] {
  return messages.flatMap((message) => [
    message.reasoning ?? '',
    ...partsOf(message).map((part) => (part.type === 'text' ? part.text : '')),
  ]);
}

function unsupportedMode(mode: ThinkingMode, { name, modes }: Protocol): ChatInputError {
  const known = Object.keys(modes).join(', ');
  return new ChatInputError(
    'unsupported_value',
    'thinking_mode',
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
    `The picture placeholder "${chat.imagePlaceholder}" is token ${token?.id ?? 'none'} of the tokenizer, but the manifest says ${tokens.image}.`,
  );
}
