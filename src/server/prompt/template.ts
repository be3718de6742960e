import { readFile } from 'node:fs/promises';
import { Template } from '@huggingface/jinja';
import { ChatInputError } from './chat-input-error.ts';
import type { ChatMessage } from './messages.ts';

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
  /** What the template writes after it to start the assistant's turn. */
  readonly generationPrompt: string;
}

/** A package's chat template, parsed once. */
export class ChatTemplate {
  /** The template's own text. */
  readonly source: string;
  readonly #template: Template;
  readonly #globals: Readonly<Record<string, unknown>>;
  /** Generation prompts that were seen, by mode: a conversation is rendered once instead of twice. */
  readonly #generationPrompts = new Map<string, string>();

  constructor(source: string, globals: Readonly<Record<string, unknown>> = {}) {
    this.source = source;
    this.#template = new Template(source);
    this.#globals = globals;
  }

  /**
   * Renders a conversation.
   * @param field what the caller's API calls the conversation
   * @throws ChatInputError with the template's own message where it rejects the conversation
   */
  render(input: RenderInput, field = 'messages'): RenderedPrompt {
    const whole = this.#render(input, true, field);
    const key = modeKey(input.variables);
    const known = this.#generationPrompts.get(key);
    const split = (length: number): RenderedPrompt => ({
      conversation: whole.slice(0, length),
      generationPrompt: whole.slice(length),
    });
    if (known !== undefined && whole.endsWith(known)) return split(whole.length - known.length);
    // A template does not say what its generation prompt is: it is what the template writes only when asked for one.
    const prompt = split(commonPrefixLength(whole, this.#render(input, false, field)));
    if (prompt.generationPrompt !== '') this.#generationPrompts.set(key, prompt.generationPrompt);
    return prompt;
  }

  /** Whether the template has a place for tools; one without it leaves them out in silence. */
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

  #render(
    { messages, tools = [], variables }: RenderInput,
    addGenerationPrompt: boolean,
    field: string,
  ): string {
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
        field,
        `The model's chat template refuses these messages: ${reason}`,
      );
    }
  }
}

/** @throws Error naming the file where the template cannot be parsed */
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

/** The variables that tell modes apart; numbers are budgets. */
function modeKey(variables: RenderInput['variables']): string {
  return JSON.stringify(Object.entries(variables).filter(([, value]) => typeof value !== 'number'));
}

function commonPrefixLength(a: string, b: string): number {
  if (a.startsWith(b)) return b.length;
  let length = 0;
  while (length < b.length && a[length] === b[length]) length += 1;
  return length;
}

/** Whether a message's content goes to the template as a list of typed parts or as one string. */
export type ContentShape = 'parts' | 'string';

const PROBE = 'text that must come through';

/**
 * Finds the shape that a template takes for one role. Templates made for lists of parts often expect a plain string in
 * system and assistant messages; given the wrong shape they fail, or leave the text out in silence.
 * @param preferred the shape that the template takes for user messages
 */
export function contentShapeFor(
  template: ChatTemplate,
  role: ChatMessage['role'],
  preferred: ContentShape,
): ContentShape {
  const other = preferred === 'parts' ? 'string' : 'parts';
  return !rendersText(template, role, preferred) && rendersText(template, role, other)
    ? other
    : preferred;
}

function rendersText(
  template: ChatTemplate,
  role: ChatMessage['role'],
  shape: ContentShape,
): boolean {
  const content = shape === 'string' ? PROBE : [{ type: 'text', text: PROBE } as const];
  const messages: TemplateMessage[] = [{ role, content }];
  try {
    const { conversation } = template.render({ messages, variables: {} });
    // A template that prints the list itself shows its keys.
    return conversation.includes(PROBE) && !/["']type["']/.test(conversation);
  } catch {
    return false;
  }
}
