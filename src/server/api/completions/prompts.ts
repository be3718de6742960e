import { ApiError } from '../../http/errors.ts';
import type { ServedModel } from '../../http/served-model.ts';
import type { CompletionRequest } from './completions-schema.ts';

/** A prompt that the model continues as it is. */
export interface Prompt {
  /** The field that holds it. */
  readonly field: string;
  readonly text: string;
  readonly tokenIds: Int32Array;
}

type Given = string | readonly number[];

/**
 * The prompts of a request, in order.
 * @throws ApiError for ids that are no tokens, for image placeholders and for a text without tokens
 */
export function readPrompts(prompt: CompletionRequest['prompt'], model: ServedModel): Prompt[] {
  const isOne = typeof prompt === 'string' || typeof prompt[0] === 'number';
  const given = (isOne ? [prompt] : prompt) as readonly Given[];
  return given.map((each, index) => readPrompt(each, isOne ? 'prompt' : `prompt[${index}]`, model));
}

function readPrompt(given: Given, field: string, model: ServedModel): Prompt {
  const { tokenizer, engine, manifest } = model;
  const tokenIds = typeof given === 'string' ? tokenizer.encode(given) : given;
  if (tokenIds.length === 0) throw refused(field, 'must have at least one token; got none.');
  const { vocabSize } = engine.limits;
  const unknown = tokenIds.findIndex((id) => id >= vocabSize);
  if (unknown >= 0) {
    const place = `${field}[${unknown}]`;
    throw refused(
      place,
      `must be a token id from 0 to ${vocabSize - 1}; got ${tokenIds[unknown]}.`,
    );
  }
  if (manifest.tokens.image !== null && tokenIds.includes(manifest.tokens.image)) {
    throw refused(field, 'has a token that stands for an image; only conversations have images.');
  }
  const text = typeof given === 'string' ? given : tokenizer.decode(tokenIds);
  return { field, text, tokenIds: Int32Array.from(tokenIds) };
}

function refused(field: string, what: string): ApiError {
  return new ApiError('invalid_value', `\`${field}\` ${what}`, { param: field });
}
