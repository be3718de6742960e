import type { Manifest } from '../../package/manifest.ts';
import type { TokenTable } from '../../package/token-table.ts';
import type { EngineClient } from '../engines/engine-client.ts';
import type { ChatFormatter } from '../prompt/formatter.ts';
import type { Tokenizer } from '../prompt/tokenizer.ts';

/** The served model, as request handlers need it: text and the engine, no tensors. */
export interface ServedModel {
  /** Name of the model in requests. */
  readonly id: string;
  readonly manifest: Pick<
    Manifest,
    'chat' | 'name' | 'precision' | 'sampling' | 'thinking' | 'tokens' | 'vision' | 'profiles'
  >;
  readonly formatter: Pick<ChatFormatter, 'format'>;
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'decode' | 'spelling'>;
  /** Bytes of every token, for log-probabilities. */
  readonly tokenTable: TokenTable;
  /** Ids of control tokens, which write no text. */
  readonly specialIds: ReadonlySet<number>;
  /** Number of tokens of the text that ends the thinking at its budget. */
  readonly exitTokens: number;
  readonly engine: EngineClient;
}
