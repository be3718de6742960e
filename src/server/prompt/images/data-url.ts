import { ChatInputError } from '../chat-input-error.ts';

/**
 * Bytes of a base64 data: URL. Strict: a stray character, missing padding or another encoding is an error, because
 * a lenient decoder turns a damaged image into another one.
 * @param maxBytes most bytes the decoded image may have; checked before decoding
 * @throws ChatInputError
 */
export function decodeDataUrl(source: string, maxBytes: number, param: string): Uint8Array {
  const comma = source.indexOf(',');
  if (comma < 0) throw urlError(param, 'The data URL has no comma before its data.');
  const header = source.slice('data:'.length, comma);
  if (!/;base64$/i.test(header)) {
    throw urlError(param, 'An image in a data URL must be encoded as base64.');
  }
  const mediaType = header.slice(0, header.indexOf(';'));
  if (!/^(?:image\/[\w.+-]+|application\/octet-stream)?$/i.test(mediaType)) {
    throw urlError(param, `The data URL holds "${mediaType.slice(0, 80)}", not an image.`);
  }
  const base64 = source.slice(comma + 1);
  const paddingLength = base64.endsWith('==') ? 2 : Number(base64.endsWith('='));
  const length = (base64.length / 4) * 3 - paddingLength;
  if (length > maxBytes) {
    throw new ChatInputError(
      'image_too_large',
      param,
      `The image has ${Math.floor(length)} bytes; at most ${maxBytes} are allowed.`,
    );
  }
  if (base64 === '') throw urlError(param, 'The data URL holds no data.');
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw urlError(param, 'The data URL is not valid base64.');
  }
  return Buffer.from(base64, 'base64');
}

function urlError(param: string, message: string): ChatInputError {
  return new ChatInputError('invalid_image_url', param, message);
}
