import { ChatInputError } from '../chat/chat-input-error.ts';
import { EngineUnavailableError } from '../engine/generation.ts';

/**
 * Every refusal this server can answer with: HTTP status, the wire's `type`, by its `code`. Codes of pictures come from
 * the chat room (`ChatInputError`) and are always 400 invalid_request_error.
 */
const CATALOGUE = {
  invalid_json: { status: 400, type: 'invalid_request_error' },
  invalid_request: { status: 400, type: 'invalid_request_error' },
  invalid_value: { status: 400, type: 'invalid_request_error' },
  unsupported_value: { status: 400, type: 'invalid_request_error' },
  unsupported_parameter: { status: 400, type: 'invalid_request_error' },
  missing_required_parameter: { status: 400, type: 'invalid_request_error' },
  conflicting_parameters: { status: 400, type: 'invalid_request_error' },
  thinking_conflict: { status: 400, type: 'invalid_request_error' },
  thinking_locked: { status: 400, type: 'invalid_request_error' },
  context_length_exceeded: { status: 400, type: 'invalid_request_error' },
  completion_not_found: { status: 404, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  route_not_found: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  request_timeout: { status: 408, type: 'invalid_request_error' },
  body_too_large: { status: 413, type: 'invalid_request_error' },
  url_too_long: { status: 414, type: 'invalid_request_error' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error' },
  headers_too_large: { status: 431, type: 'invalid_request_error' },
  client_closed_request: { status: 499, type: 'invalid_request_error' },
  internal_error: { status: 500, type: 'server_error' },
  engine_error: { status: 500, type: 'server_error' },
  queue_full: { status: 503, type: 'unavailable_error' },
  engine_not_ready: { status: 503, type: 'unavailable_error' },
  shutting_down: { status: 503, type: 'unavailable_error' },
  generation_aborted: { status: 503, type: 'unavailable_error' },
} as const satisfies Record<string, { status: number; type: string }>;

export type ErrorCode = keyof typeof CATALOGUE;

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** A refusal or failure as the client will read it: no stack, no path, nothing of the configuration. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly type: string;
  /** One of the catalogue's, or the chat room's own. */
  readonly code: string;
  readonly param: string | null;
  /** Seconds after which trying again makes sense; null where it never does. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    details: {
      param?: string;
      chatCode?: string;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.code = details.chatCode ?? code;
    this.status = CATALOGUE[code].status;
    this.type = CATALOGUE[code].type;
    this.param = details.param ?? null;
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
  }

  toBody(): ErrorBody {
    return {
      error: { message: this.message, type: this.type, param: this.param, code: this.code },
    };
  }
}

/** Two fields about thinking that cannot both be honoured. */
export function conflict(first: string, second: string, why: string): ApiError {
  return new ApiError('thinking_conflict', `\`${first}\` and \`${second}\` contradict: ${why}`, {
    param: first,
  });
}

/** What fastify itself refuses, by its error code. */
const FASTIFY_ERRORS: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_MAX_PARAM_LENGTH: 'url_too_long',
};

const FASTIFY_MESSAGES: Readonly<Partial<Record<ErrorCode, string>>> = {
  url_too_long: 'The URL is too long.',
  unsupported_media_type: 'The body must be sent as application/json.',
  invalid_json: 'The body is not valid JSON.',
  invalid_request: 'The request is malformed.',
};

/** Errors the client is at fault for carry a status; everything unknown is a plain 500 whose cause stays here. */
export function toApiError(error: unknown, limits: { bodyLimitBytes: number }): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineUnavailableError) return fromUnavailable(error);
  if (error instanceof ChatInputError) {
    const { code: chatCode, param, message } = error;
    return new ApiError('invalid_value', message, { param, chatCode, cause: error });
  }
  const code = propertyOf(error, 'code');
  const known = typeof code === 'string' ? FASTIFY_ERRORS[code] : undefined;
  if (known === 'body_too_large') {
    const message = `The body is larger than this server's limit of ${limits.bodyLimitBytes} bytes.`;
    return new ApiError('body_too_large', message, { cause: error });
  }
  if (known !== undefined) {
    const message = FASTIFY_MESSAGES[known] ?? 'The request is malformed.';
    return new ApiError(known, message, { cause: error });
  }
  const status = propertyOf(error, 'statusCode');
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new ApiError('invalid_request', 'The request is malformed.', { cause: error });
  }
  return new ApiError('internal_error', 'The server failed to answer this request.', {
    cause: error,
  });
}

function fromUnavailable(error: EngineUnavailableError): ApiError {
  const { retryAfterSeconds } = error;
  return error.reason === 'queue_full'
    ? new ApiError('queue_full', 'The waiting queue is full. Try again later.', {
        retryAfterSeconds,
      })
    : new ApiError('engine_not_ready', 'The model is not ready to answer. Try again later.', {
        retryAfterSeconds,
      });
}

function propertyOf(error: unknown, name: string): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  return Reflect.get(error, name);
}
