import type { ApiError } from '../../http/errors.ts';
import type { AnthropicErrorBody } from './reply-schema.ts';

/** Anthropic's error types, by status. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

/** Renders an error in the shape of Anthropic's API. */
export function toAnthropicError(failure: ApiError, requestId?: string): AnthropicErrorBody {
  return {
    type: 'error',
    error: { type: TYPES[failure.status] ?? 'invalid_request_error', message: messageOf(failure) },
    ...(requestId !== undefined && { request_id: requestId }),
  };
}

/** Anthropic's errors have no field for the parameter, so the message names it. */
function messageOf({ message, param }: ApiError): string {
  return param === null || message.includes(`\`${param}\``) ? message : `\`${param}\`: ${message}`;
}
