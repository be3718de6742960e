import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector, request } from 'undici';
import { ChatInputError } from '../chat-input-error.ts';
import { decodeDataUrl } from './data-url.ts';
import { downloadProblem } from './download-problem.ts';
import { type AddressRule, ForbiddenAddressError, lookupAllowed, type Resolver } from './lookup.ts';
import type { MediaFolder } from './media-folder.ts';

export interface FetchLimits {
  /** Most bytes of one image as it is transferred. */
  readonly maxBytes: number;
  /** Milliseconds a download may take, redirects included. */
  readonly timeoutMs: number;
  /** Addresses that may be connected to; `isPublicAddress` unless the network is one's own. */
  readonly isAllowed: AddressRule;
  /** Hosts images may come from, `*.example.com` for all below one; null allows all. */
  readonly domains?: readonly string[] | null;
  /** Where file: URLs lead; null refuses them. */
  readonly folder?: MediaFolder | null;
  /** Looks names up in place of the system. */
  readonly resolve?: Resolver;
}

const MAX_REDIRECTS = 3;
const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Gets images by data:, http:, https: and, from one folder, file: URL. Every address is checked where the connection is made, so neither a
 * name that resolves differently the second time nor a redirect reaches an address that is not allowed.
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
   * @param param where it stands in the request, for errors
   * @throws ChatInputError saying what is wrong with the URL or the download
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
 * Checks addresses written in the URL itself; names go through the checked lookup. What was really connected to is
 * looked at once more before a byte is sent.
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

/** Ends a response nobody will read. Destroying it is reported as an error, which without a listener ends the process. */
function discard(body: Readable): void {
  body.on('error', () => undefined);
  body.destroy();
}

function urlError(param: string, message: string): ChatInputError {
  return new ChatInputError('invalid_image_url', param, message);
}
