import { BYTE_OF_CHARACTER, bytesOfToken, type TokenTable } from '../../package/token-table.ts';

export interface VocabularySource {
  readonly tokenTable: TokenTable;
  /** Tokens that write no text, and so stand in no grammar. */
  readonly silentIds: readonly number[];
  readonly eos: readonly number[];
}

/** Every token in GPT-2's byte characters; empty for those that write no text. */
export function spelledVocabulary({ tokenTable, silentIds }: VocabularySource): string[] {
  const characters: string[] = [];
  for (const [character, byte] of BYTE_OF_CHARACTER) characters[byte] = character;
  const silent = new Set(silentIds);
  return Array.from({ length: tokenTable.offsets.length - 1 }, (_, id) =>
    silent.has(id)
      ? ''
      : Array.from(bytesOfToken(tokenTable, id), (byte) => characters[byte] ?? '').join(''),
  );
}
