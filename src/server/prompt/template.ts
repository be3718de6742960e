import { readFile } from 'node:fs/promises';
import { Template } from '@huggingface/jinja';
import { ChatInputError } from './chat-input-error.ts';

/** A message as chat templates of the Hugging Face kind expect it. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string | readonly TemplatePart[];
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly TemplateToolCall[];
  readonly tool_call_id?: string;
  readonly name?: string;
}

export interface TemplateToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: object };
}

export interface TemplateTool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: object;
  };
}

export type TemplatePart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly image: string };

export interface RenderInput {
  readonly messages: readonly TemplateMessage[];
  readonly tools?: readonly TemplateTool[] | undefined;
  /** Variables of the thinking mode. */
  readonly variables: Readonly<Record<string, string | boolean | number>>;
}

export interface RenderedPrompt {
  /** The conversation. */
  readonly conversation: string;
  /** What the template writes after it to have the assistant speak. */
  readonly generationPrompt: string;
}

/** A package's chat template, parsed once. */
export class ChatTemplate {
  /** The template's own text. */
  readonly source: string;
  readonly #template: Template;
  readonly #globals: Readonly<Record<string, unknown>>;

  constructor(source: string, globals: Readonly<Record<string, unknown>> = {}) {
    this.source = source;
    this.#template = new Template(source);
    this.#globals = globals;
  }

  /**
   * Renders with and without the generation prompt; what differs is the generation prompt.
   * @throws ChatInputError with the template's own message when it refuses the conversation
   */
  render(input: RenderInput): RenderedPrompt {
    const whole = this.#render(input, true);
    const conversation = this.#render(input, false);
    const shared = commonPrefixLength(whole, conversation);
    return { conversation: whole.slice(0, shared), generationPrompt: whole.slice(shared) };
  }

  /** Whether it has a place for tools: a template without one leaves them out without a word. */
  get takesTools(): boolean {
    const name = 'a_tool_to_be_shown';
    const tools = [
      { type: 'function', function: { name, description: '', parameters: {} } } as const,
    ];
    try {
      const messages = [{ role: 'user', content: '' }];
      return this.render({ messages, tools, variables: {} }).conversation.includes(name);
    } catch {
      return false;
    }
  }

  #render({ messages, tools = [], variables }: RenderInput, addGenerationPrompt: boolean): string {
    try {
      return this.#template.render({
        ...this.#globals,
        ...variables,
        messages,
        ...(tools.length > 0 && { tools }),
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ChatInputError(
        'invalid_messages',
        'messages',
        `The model's chat template refuses these messages: ${reason}`,
      );
    }
  }
}

/** @throws Error naming the file when the template cannot be parsed */
export async function loadChatTemplate(
  path: string,
  globals?: Readonly<Record<string, unknown>>,
): Promise<ChatTemplate> {
  const source = await readFile(path, 'utf8');
  try {
    return new ChatTemplate(source, globals);
  } catch (error) {
    throw new Error(`${path}: the chat template cannot be parsed: ${String(error)}`, {
      cause: error,
    });
  }
}

function commonPrefixLength(a: string, b: string): number {
  if (a.startsWith(b)) return b.length;
  let length = 0;
  while (length < b.length && a[length] === b[length]) length += 1;
  return length;
}
