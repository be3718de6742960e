import {
  type ConfidenceOptions,
  confidenceExit,
  type EarlyExitOptions,
  earlyExit,
} from './exits.ts';
import { type DistilOptions, parallelDistillRefine, rethink, selfRefine } from './refine.ts';
import type { Answer, Generate, Outcome } from './strategy.ts';
import { fastAgreeElseThink, majorityVote } from './vote.ts';

/** A strategy with all its parameters. */
export type Strategy =
  | { readonly type: 'majority_vote'; readonly k: number }
  | { readonly type: 'fast_agree_else_think'; readonly k: number }
  | { readonly type: 'self_refine'; readonly k: number }
  | ({ readonly type: 'parallel_distill_refine' } & DistilOptions)
  | { readonly type: 'rethink' }
  | ({ readonly type: 'early_exit' } & EarlyExitOptions)
  | ({ readonly type: 'confidence_exit' } & ConfidenceOptions);

export type StrategyType = Strategy['type'];

/** Runs a strategy with the calls that `generate` makes. If a call fails, the strategy fails. */
export function runStrategy<A extends Answer>(
  strategy: Strategy,
  generate: Generate<A>,
): Promise<Outcome<A>> {
  switch (strategy.type) {
    case 'majority_vote':
      return majorityVote(generate, strategy);
    case 'fast_agree_else_think':
      return fastAgreeElseThink(generate, strategy);
    case 'self_refine':
      return selfRefine(generate, strategy);
    case 'parallel_distill_refine':
      return parallelDistillRefine(generate, strategy);
    case 'rethink':
      return rethink(generate);
    case 'early_exit':
      return earlyExit(generate, strategy);
    case 'confidence_exit':
      return confidenceExit(generate, strategy);
  }
}
