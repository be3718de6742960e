import type { ThinkingProfiles } from '../../package/profile.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { ApiError, conflict } from '../http/errors.ts';

const FIELD = 'thinking_profile';

/**
 * The threshold of the profile a request names.
 * @returns null where it names none
 * @throws ApiError listing the profiles there are, or naming the field that leans on the same choice
 */
export function profileThreshold(
  body: Pick<ChatCompletionRequest, typeof FIELD | 'thinking_bias' | 'thinking_threshold'>,
  profiles: ThinkingProfiles,
): number | null {
  const name = body.thinking_profile ?? null;
  if (name === null) return null;
  for (const other of ['thinking_bias', 'thinking_threshold'] as const) {
    if (typeof body[other] === 'number') {
      throw conflict(other, FIELD, 'a profile is a calibrated threshold of its own.');
    }
  }
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile.threshold;
  const shown = JSON.stringify(name.slice(0, 100));
  throw new ApiError(
    'unsupported_value',
    `\`${FIELD}\` ${shown} is not a profile of this model; it has: ${profileNames(profiles)}.`,
    { param: FIELD },
  );
}

/** For messages; `none` where there are none. */
export function profileNames(profiles: ThinkingProfiles): string {
  return Object.keys(profiles).join(', ') || 'none';
}
