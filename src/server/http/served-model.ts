import type { Manifest } from '../../package/manifest.ts';
import type { TokenTable } from '../../package/token-table.ts';
import type { EngineClient } from '../engines/engine-client.ts';
import type { ChatFormatter } from '../prompt/formatter.ts';
import type { Tokenizer } from '../prompt/tokenizer.ts';

/** A model behind the HTTP surface: everything a request handler needs, and nothing of tensors. */
export interface ServedModel {
  /** Name clients put in `model`. */
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
  /** Tokens of the text that closes the thinking. */
  readonly exitTokens: number;
  readonly engine: EngineClient;
}
