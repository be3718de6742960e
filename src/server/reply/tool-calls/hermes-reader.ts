import { heldSuffixLength } from '../../../engine/thinking/hold-back.ts';
import type { AnswerPart, AnswerReader, ToolCallOptions } from './answer-reader.ts';
import { readWholeCall, type WholeCall } from './whole-call.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';
/** The usual beginning of a call. After it the arguments can be passed on as they arrive. */
const HEADER =
  /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/;
const TAIL = /^\s*\}?\s*<\/tool_call>/;

/**
 * Reads tool calls in the style of Hermes and Qwen: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, any number of
 * them, before, between and after text. White space before a call is not content.
 *
 * A call that is malformed before its arguments, or that names an unknown function, becomes content, tags included. A
 * call with malformed arguments keeps them as written, up to its close tag.
 */
export class HermesReader implements AnswerReader {
  readonly #options: ToolCallOptions;
  #state: 'text' | 'call' | 'arguments' | 'tail' = 'text';
  #held = '';
  #scanner = new JsonValueScanner(CLOSE);
  #numCalls = 0;
  #parts: AnswerPart[] = [];

  constructor(options: ToolCallOptions) {
    this.#options = options;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    while (this.#advance()) {}
    return this.#take();
  }

  end(): AnswerPart[] {
    if (this.#state === 'call') this.#endWithinCall();
    if (this.#state === 'arguments') this.#arguments(this.#held.length);
    const isLeftover = this.#state === 'tail' || (this.#numCalls > 0 && this.#held.trim() === '');
    if (isLeftover && isPartOfTail(this.#held)) this.#held = '';
    this.#content(this.#held.length);
    return this.#take();
  }

  #advance(): boolean {
    switch (this.#state) {
      case 'text':
        return this.#readText();
      case 'call':
        return this.#readHeader();
      case 'arguments':
        return this.#readArguments();
      case 'tail':
        return this.#readTail();
    }
  }

  #readText(): boolean {
    const at = this.#held.indexOf(OPEN);
    const certain = at < 0 ? this.#held.length - heldSuffixLength(this.#held, [OPEN]) : at;
    this.#content(this.#held.slice(0, certain).trimEnd().length);
    if (at < 0) return false;
    this.#held = this.#held.trimStart().slice(OPEN.length);
    this.#state = 'call';
    return true;
  }

  #readHeader(): boolean {
    const header = HEADER.exec(this.#held);
    if (header === null) {
      const close = this.#held.indexOf(CLOSE);
      if (close < 0) return false;
      const call = readWholeCall(this.#held.slice(0, close));
      if (call === null || !this.#isOffered(call.name)) return this.#giveBack();
      this.#whole(call);
      this.#held = this.#held.slice(close + CLOSE.length);
      return true;
    }
    const name = stringOf(header[1] ?? '');
    if (name === null || !this.#isOffered(name)) return this.#giveBack();
    this.#start(name);
    this.#held = this.#held.slice(header[0].length);
    this.#scanner = new JsonValueScanner(CLOSE);
    this.#state = 'arguments';
    return true;
  }

  #readArguments(): boolean {
    const { length, outcome } = this.#scanner.scan(this.#held);
    this.#arguments(length);
    if (outcome === 'more') return false;
    this.#state = 'tail';
    return true;
  }

  #readTail(): boolean {
    const tail = TAIL.exec(this.#held);
    if (tail === null && isPartOfTail(this.#held)) return false;
    this.#held = this.#held.slice(tail?.[0].length ?? 0);
    this.#state = 'text';
    return true;
  }

  /** A model may end its turn without the close tag. */
  #endWithinCall(): void {
    const call = readWholeCall(this.#held);
    if (call !== null && this.#isOffered(call.name)) {
      this.#whole(call);
      this.#held = '';
    } else {
      this.#held = OPEN + this.#held;
    }
  }

  #isOffered(name: string): boolean {
    return this.#options.names.has(name);
  }

  #giveBack(): boolean {
    this.#parts.push({ type: 'content', text: OPEN });
    this.#state = 'text';
    return true;
  }

  #whole({ name, argumentsText }: WholeCall): void {
    this.#start(name);
    this.#parts.push({ type: 'tool_arguments', index: this.#numCalls - 1, text: argumentsText });
    this.#state = 'text';
  }

  #start(name: string): void {
    this.#parts.push({
      type: 'tool_call',
      index: this.#numCalls++,
      id: this.#options.newId(),
      name,
    });
  }

  #arguments(length: number): void {
    if (length > 0) {
      const text = this.#held.slice(0, length);
      this.#parts.push({ type: 'tool_arguments', index: this.#numCalls - 1, text });
    }
    this.#held = this.#held.slice(length);
  }

  #content(length: number): void {
    if (length > 0) this.#parts.push({ type: 'content', text: this.#held.slice(0, length) });
    this.#held = this.#held.slice(length);
  }

  #take(): AnswerPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}

/** Whether the text can still become the end of a call. */
function isPartOfTail(text: string): boolean {
  const rest = text.replace(/^\s*\}?\s*/, '');
  return rest === '' || (rest.length < CLOSE.length && CLOSE.startsWith(rest));
}

function stringOf(json: string): string | null {
  try {
    return String(JSON.parse(json));
  } catch {
    return null;
  }
}

interface Scanned {
  /** Number of characters, from the start of the text, that belong to the value. */
  readonly length: number;
  /** Whether the value continues, is complete, or was cut off by the tag. */
  readonly outcome: 'more' | 'complete' | 'broken';
}

/**
 * Finds the end of one JSON object or array that arrives in pieces. Each piece is scanned once. The tag outside a string
 * ends an incomplete value.
 */
class JsonValueScanner {
  readonly #tag: string;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(tag: string) {
    this.#tag = tag;
  }

  scan(text: string): Scanned {
    for (let at = 0; at < text.length; at++) {
      if (!this.#inString && this.#tag.startsWith(text.slice(at, at + this.#tag.length))) {
        const isWhole = text.length - at >= this.#tag.length;
        return { length: at, outcome: isWhole ? 'broken' : 'more' };
      }
      this.#step(text.charAt(at));
      if (this.#depth === 0) return { length: at + 1, outcome: 'complete' };
    }
    return { length: text.length, outcome: 'more' };
  }

  #step(character: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (this.#inString) {
      if (character === '\\') this.#escaped = true;
      else if (character === '"') this.#inString = false;
    } else if (character === '"') this.#inString = true;
    else if (character === '{' || character === '[') this.#depth++;
    else if (character === '}' || character === ']') this.#depth--;
  }
}
