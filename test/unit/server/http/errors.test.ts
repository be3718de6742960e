import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApiError,
  CATALOGUE,
  type ErrorCode,
  toApiError,
} from '../../../../src/server/http/errors.ts';
import { ChatInputError } from '../../../../src/server/prompt/chat-input-error.ts';

const CODES = Object.keys(CATALOGUE) as ErrorCode[];

/** The type each status is sent with. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
  500: 'server_error',
  503: 'unavailable_error',
  504: 'server_error',
};

test('every code has one status and the matching type', () => {
  for (const code of CODES) {
    const { status, type } = CATALOGUE[code];
    assert.equal(type, TYPES[status] ?? 'invalid_request_error', code);
    assert.ok(status >= 400 && status < 600, code);
  }
});

test('every error has all four fields, null when there is no value', () => {
  for (const code of CODES) {
    const { error } = new ApiError(code, 'Why.').toBody();
    assert.deepEqual(Object.keys(error).sort(), ['code', 'message', 'param', 'type']);
    assert.equal(error.param, null);
    assert.equal(error.code, code);
  }
});

test('an error advises against a retry that cannot succeed, or not soon', () => {
  const isWorth = (code: ErrorCode, retryAfterSeconds?: number): boolean =>
    new ApiError(code, 'Why.', retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
      .isWorthRetrying;
  for (const code of CODES) {
    const { status } = CATALOGUE[code];
    assert.equal(isWorth(code), status >= 500 || status === 408, code);
  }
  assert.equal(isWorth('rate_limit_exceeded', 60), true);
  assert.equal(isWorth('rate_limit_exceeded', 61), false);
});

test('an image that is too large is a 413, every other error of the chat layer a 400', () => {
  const limits = { bodyLimitBytes: 1 };
  const large = toApiError(new ChatInputError('image_too_large', 'messages', 'Why.'), limits);
  assert.equal(large.status, 413);
  const other = toApiError(new ChatInputError('invalid_image', 'messages', 'Why.'), limits);
  assert.equal(other.status, 400);
  assert.equal(other.param, 'messages');
});
