import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector, request } from 'undici';
import { ChatInputError } from '../chat-input-error.ts';
import { type AddressRule, ForbiddenAddressError, lookupAllowed, type Resolver } from './lookup.ts';
import type { MediaFolder } from './media-folder.ts';

export interface FetchLimits {
  /** Most bytes of one image as it is transferred. */
  readonly maxBytes: number;
  /** Milliseconds a download may take, redirects included. */
  readonly timeoutMs: number;
  /** Addresses that may be connected to; `isPublicAddress` unless the operator allows private ones. */
  readonly isAllowed: AddressRule;
  /** Hosts that images may come from, `*.example.com` for all below one; null allows all. */
  readonly domains?: readonly string[] | null;
  /** Folder of file: URLs; null rejects them. */
  readonly folder?: MediaFolder | null;
  /** Resolves names in place of the system. */
  readonly resolve?: Resolver;
}

const MAX_REDIRECTS = 3;
const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Gets images by data:, http:, https: and, from one folder, file: URL. Addresses are checked where the connection is
 * made, so neither a name that resolves differently the second time nor a redirect reaches a forbidden address.
 */
export class ImageFetcher {
  readonly #limits: FetchLimits;
  readonly #agent: Agent;

  constructor(limits: FetchLimits) {
    this.#limits = limits;
    this.#agent = new Agent({ connect: connector(limits) });
  }

  /**
   * @param source data:, http:, https: or file: URL
   * @param param the field that holds the URL, for errors
   * @throws ChatInputError naming the problem of the URL or the download
   */
  async fetch(source: string, param: string, signal?: AbortSignal): Promise<Uint8Array> {
    if (/^data:/i.test(source)) return decodeDataUrl(source, this.#limits.maxBytes, param);
    const { folder } = this.#limits;
    if (folder && /^file:/i.test(source)) return folder.read(source, param);
    const timeout = AbortSignal.timeout(this.#limits.timeoutMs);
    const ended = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
    try {
      return await this.#follow(this.#remoteUrl(source, param), param, ended);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ChatInputError) throw error;
      throw this.#downloadError(error, timeout.aborted, param);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #follow(first: URL, param: string, signal: AbortSignal): Promise<Uint8Array> {
    let url = first;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const response = await request(url, {
        dispatcher: this.#agent,
        signal,
        headers: { accept: 'image/*', 'user-agent': 'thinkgate' },
      });
      const { location } = response.headers;
      if (!REDIRECT_STATUS.has(response.statusCode) || typeof location !== 'string') {
        if (response.statusCode === 200) return await this.#readBody(response, param);
        discard(response.body);
        throw urlError(param, `The image's server answered with status ${response.statusCode}.`);
      }
      discard(response.body);
      url = this.#remoteUrl(location, param, url.href);
    }
    throw urlError(param, `The image's URL redirects more than ${MAX_REDIRECTS} times.`);
  }

  async #readBody(
    { body, headers }: Awaited<ReturnType<typeof request>>,
    param: string,
  ): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let received = Number(headers['content-length'] ?? 0);
    const announced = received;
    if (announced <= this.#limits.maxBytes) {
      received = 0;
      for await (const chunk of body) {
        received += chunk.length;
        if (received > this.#limits.maxBytes) break;
        chunks.push(chunk);
      }
    }
    if (received <= this.#limits.maxBytes) return Buffer.concat(chunks);
    discard(body);
    throw new ChatInputError(
      'image_too_large',
      param,
      `The image has more than ${this.#limits.maxBytes} bytes, the most that is allowed.`,
    );
  }

  #downloadError(error: unknown, timedOut: boolean, param: string): ChatInputError {
    if (timedOut) {
      return urlError(param, `The image did not arrive within ${this.#limits.timeoutMs} ms.`);
    }
    if (error instanceof ForbiddenAddressError) return urlError(param, error.message);
    return urlError(param, `The image cannot be downloaded: ${downloadProblem(error)}.`);
  }

  #remoteUrl(text: string, param: string, base?: string): URL {
    const url = httpUrl(text, param, base);
    const { domains } = this.#limits;
    if (!domains || domains.some((domain) => isInDomain(url.hostname, domain))) return url;
    throw urlError(
      param,
      `The image's host "${url.hostname}" is not among those this server fetches from.`,
    );
  }
}

/**
 * Checks addresses that stand in the URL itself; names go through the checked lookup. The address of the connection is
 * checked once more before a byte is sent.
 */
function connector({ isAllowed, resolve }: FetchLimits): buildConnector.connector {
  const connect = buildConnector({
    lookup: (hostname, options, callback) =>
      lookupAllowed({ hostname, options, isAllowed, resolve }, callback),
  });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !isAllowed(host)) {
      callback(new ForbiddenAddressError(host), null);
      return;
    }
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
      } else if (isAllowed(socket.remoteAddress ?? '')) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(new ForbiddenAddressError(host), null);
      }
    });
  };
}

function isInDomain(host: string, domain: string): boolean {
  const name = host.replace(/\.$/, '');
  return domain.startsWith('*.') ? name.endsWith(domain.slice(1)) : name === domain;
}

function httpUrl(text: string, param: string, base?: string): URL {
  if (!URL.canParse(text, base)) throw urlError(param, 'The image URL cannot be parsed.');
  const url = new URL(text, base);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw urlError(param, `Images come by data:, http: or https: URL, not by ${url.protocol}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw urlError(param, 'An image URL must not hold a user name or password.');
  }
  return url;
}

/** Ends a response without reading it. Destroying it emits an error, which without a listener ends the process. */
function discard(body: Readable): void {
  body.on('error', () => undefined);
  body.destroy();
}

function urlError(param: string, message: string): ChatInputError {
  return new ChatInputError('invalid_image_url', param, message);
}

/**
 * Decodes a base64 data: URL. A stray character, missing padding or another encoding is an error: a lenient decoder
 * turns a damaged image into another one.
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

/** Failures of a download by the codes of Node and undici. They tell nothing about the network of this server. */
const PROBLEMS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host is not known',
  EAI_AGAIN: 'its host cannot be looked up now',
  ECONNREFUSED: 'its host refused the connection',
  ECONNRESET: 'its host closed the connection',
  UND_ERR_SOCKET: 'its host closed the connection',
  EHOSTUNREACH: 'its host cannot be reached',
  ENETUNREACH: 'its host cannot be reached',
  ETIMEDOUT: 'its host did not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'its host did not answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'its host did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'its host did not answer in time',
  UND_ERR_HEADERS_OVERFLOW: 'its host answered with too many headers',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'it ended early',
  CERT_HAS_EXPIRED: 'the certificate of its host has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate of its host is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate of its host is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate of its host is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate of its host is for another name',
};

/** The cause for the client, as half a sentence. */
function downloadProblem(error: unknown): string {
  const code: unknown = Object(error).code;
  return (typeof code === 'string' ? PROBLEMS[code] : undefined) ?? 'the connection failed';
}
