/** Reads the fields of tokenizer.json and tokenizer_config.json that the converter needs. */
import { z } from 'zod';
import { readJson, readOptionalJson } from './json-file.ts';

const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    // zod does not check the entries: there are about 150,000, and a token may be called `__proto__`.
    vocab: z.custom<Record<string, number>>((value) => typeof value === 'object' && value !== null),
  }),
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string() })).default([]),
});
const namedTokenSchema = z.union([z.string(), z.looseObject({ content: z.string() })]);
const tokenizerConfigSchema = z.looseObject({
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
  eos_token: namedTokenSchema.nullish(),
  image_token: namedTokenSchema.nullish(),
});

export interface TokenizerFiles {
  idOf(token: string): number | undefined;
  /** Largest id plus one. */
  readonly size: number;
  readonly eosToken: string | undefined;
  readonly imageToken: string | undefined;
  /** Chat template in tokenizer_config.json. */
  readonly chatTemplate: string | undefined;
}

export async function readTokenizerFiles(dir: string): Promise<TokenizerFiles> {
  const { model, added_tokens } = await readJson(dir, 'tokenizer.json', tokenizerSchema);
  const config = await readOptionalJson(dir, 'tokenizer_config.json', tokenizerConfigSchema);
  const added = new Map(added_tokens.map(({ content, id }) => [content, id]));
  let size = 0;
  for (const id of [...Object.values(model.vocab), ...added.values()])
    size = Math.max(size, id + 1);
  const templates = config?.chat_template ?? undefined;
  return {
    idOf: (token) =>
      added.get(token) ?? (Object.hasOwn(model.vocab, token) ? model.vocab[token] : undefined),
    size,
    eosToken: contentOf(config?.eos_token),
    imageToken: contentOf(config?.image_token),
    chatTemplate: Array.isArray(templates)
      ? templates.find(({ name }) => name === 'default')?.template
      : templates,
  };
}

function contentOf(
  token: z.output<typeof namedTokenSchema> | null | undefined,
): string | undefined {
  return typeof token === 'object' ? token?.content : token;
}
