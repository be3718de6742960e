import { GrammarService } from '../../src/engine/constrained/grammar-service.ts';
import { EOS, tokenBytes, VOCAB_SIZE } from './byte-tokens.ts';

/** Grammars over the vocabulary of byte-tokens.ts, by the real worker; to be closed. */
export function openByteGrammars(): GrammarService {
  const pieces = Array.from({ length: VOCAB_SIZE }, (_, id) => tokenBytes(id));
  const offsets = new Uint32Array(VOCAB_SIZE + 1);
  for (const [id, piece] of pieces.entries()) offsets[id + 1] = (offsets[id] ?? 0) + piece.length;
  const bytes = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
  const silentIds = pieces.flatMap((piece, id) => (piece.length === 0 ? [id] : []));
  return new GrammarService({ tokenTable: { bytes, offsets }, silentIds, eos: [EOS] });
}
