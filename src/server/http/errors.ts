import { EngineUnavailableError, SlowReaderError } from '../engines/engine-client.ts';
import { type ChatErrorCode, ChatInputError } from '../prompt/chat-input-error.ts';

const BAD_REQUEST = { status: 400, type: 'invalid_request_error' } as const;

/** The error catalogue: HTTP status and `type` of every error, by its `code`. */
export const CATALOGUE = {
  invalid_json: BAD_REQUEST,
  invalid_request: BAD_REQUEST,
  invalid_value: BAD_REQUEST,
  unsupported_value: BAD_REQUEST,
  unsupported_parameter: BAD_REQUEST,
  unsupported_schema: BAD_REQUEST,
  missing_required_parameter: BAD_REQUEST,
  conflicting_parameters: BAD_REQUEST,
  thinking_conflict: BAD_REQUEST,
  thinking_locked: BAD_REQUEST,
  context_length_exceeded: BAD_REQUEST,
  invalid_messages: BAD_REQUEST,
  unsupported_content: BAD_REQUEST,
  unsupported_text: BAD_REQUEST,
  invalid_image: BAD_REQUEST,
  invalid_image_url: BAD_REQUEST,
  unsupported_image_format: BAD_REQUEST,
  images_not_supported: BAD_REQUEST,
  image_placeholder_mismatch: BAD_REQUEST,
  too_many_images: BAD_REQUEST,
  invalid_api_key: { status: 401, type: 'authentication_error' },
  permission_denied: { status: 403, type: 'permission_error' },
  host_not_allowed: { status: 403, type: 'permission_error' },
  completion_not_found: { status: 404, type: 'invalid_request_error' },
  response_not_found: { status: 404, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  route_not_found: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  request_timeout: { status: 408, type: 'invalid_request_error' },
  body_too_large: { status: 413, type: 'invalid_request_error' },
  image_too_large: { status: 413, type: 'invalid_request_error' },
  url_too_long: { status: 414, type: 'invalid_request_error' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error' },
  headers_too_large: { status: 431, type: 'invalid_request_error' },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error' },
  thinking_quota_exceeded: { status: 429, type: 'rate_limit_error' },
  client_closed_request: { status: 499, type: 'invalid_request_error' },
  client_too_slow: { status: 499, type: 'invalid_request_error' },
  internal_error: { status: 500, type: 'server_error' },
  engine_error: { status: 500, type: 'server_error' },
  queue_full: { status: 503, type: 'unavailable_error' },
  deadline_exceeded: { status: 503, type: 'unavailable_error' },
  engine_not_ready: { status: 503, type: 'unavailable_error' },
  shutting_down: { status: 503, type: 'unavailable_error' },
  generation_aborted: { status: 503, type: 'unavailable_error' },
} as const satisfies Record<string, { status: number; type: string }> &
  Record<ChatErrorCode, { status: number; type: string }>;

export type ErrorCode = keyof typeof CATALOGUE;

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

const LONGEST_CLIENT_WAIT_S = 60;

/** An error as the client reads it: no stack, no path, nothing about the configuration. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly type: string;
  readonly code: ErrorCode;
  readonly param: string | null;
  /** Seconds after which the client may retry; null when retrying makes no sense. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    details: {
      param?: string;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.code = code;
    this.status = CATALOGUE[code].status;
    this.type = CATALOGUE[code].type;
    this.param = details.param ?? null;
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
  }

  /** Whether an automatic retry can succeed. Clients shorten waits of more than a minute, so those do not count. */
  get isWorthRetrying(): boolean {
    if (this.retryAfterSeconds !== null) return this.retryAfterSeconds <= LONGEST_CLIENT_WAIT_S;
    return this.status >= 500 || this.status === CATALOGUE.request_timeout.status;
  }

  toBody(): ErrorBody {
    return {
      error: { message: this.message, type: this.type, param: this.param, code: this.code },
    };
  }
}

/** The error of two fields about thinking that contradict each other. */
export function conflict(first: string, second: string, why: string): ApiError {
  return new ApiError('thinking_conflict', `\`${first}\` and \`${second}\` contradict: ${why}`, {
    param: first,
  });
}

/** Our codes for fastify's own errors. */
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

export interface RequestLimits {
  readonly bodyLimitBytes: number;
  /** Content length that the client announced, if it did. */
  readonly announcedBytes?: string | undefined;
}

/** Converts any error. Unknown errors become a plain 500, and their cause stays on the server. */
export function toApiError(error: unknown, limits: RequestLimits): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineUnavailableError) return fromUnavailable(error);
  if (error instanceof SlowReaderError) {
    return new ApiError('client_too_slow', `${error.message} The generation was given up.`);
  }
  if (error instanceof ChatInputError) {
    const { code, param, message } = error;
    return new ApiError(code, message, { param, cause: error });
  }
  const code = propertyOf(error, 'code');
  const known = typeof code === 'string' ? FASTIFY_ERRORS[code] : undefined;
  if (known === 'body_too_large') {
    return new ApiError('body_too_large', bodyTooLarge(limits), { cause: error });
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

function bodyTooLarge({ bodyLimitBytes, announcedBytes }: RequestLimits): string {
  const found =
    announcedBytes === undefined ? 'is larger than' : `has ${announcedBytes} bytes, over`;
  return `The body ${found} this server's limit of ${bodyLimitBytes} bytes.`;
}

const UNAVAILABLE = {
  queue_full: ['queue_full', 'The waiting queue is full.'],
  not_ready: ['engine_not_ready', 'The model is not ready to answer.'],
  timed_out: ['deadline_exceeded', "The request's time was over before its first token."],
} as const;

function fromUnavailable(error: EngineUnavailableError): ApiError {
  const { retryAfterSeconds } = error;
  const [code, message] = UNAVAILABLE[error.reason];
  return new ApiError(code, `${message} Try again later.`, { retryAfterSeconds });
}

function propertyOf(error: unknown, name: string): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  return Reflect.get(error, name);
}
