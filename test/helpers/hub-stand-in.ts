import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = 'c0ffee'.padEnd(40, '0');

export interface StandInOptions {
  /** Path -> content. Contents above 1,000 bytes are kept as large files, as the hub does. */
  readonly files: Readonly<Record<string, Buffer>>;
  /** Only this token may read. */
  readonly token?: string;
}

/** Speaks as much of the hub's API as a download needs: revision, tree in pages, resolve with redirect and ranges. */
export class HubStandIn {
  readonly #server: Server;
  readonly #options: StandInOptions;
  /** `Range` headers of content requests, in order. */
  readonly ranges: { readonly path: string; readonly range: string | undefined }[] = [];
  /** Connections still to be broken, each after this many bytes of a large file. */
  breakAfter: number[] = [];
  /** Content to hand out instead of the true one. */
  readonly falsified = new Map<string, Buffer>();

  constructor(options: StandInOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { token } = this.#options;
    const given = request.headers.authorization?.replace('Bearer ', '');
    if (token !== undefined && given !== token) {
      json(response, given === undefined ? 401 : 403, { error: 'no' });
      return;
    }
    const url = new URL(request.url ?? '/', 'http://hub');
    const parts = url.pathname.split('/').filter((part) => part !== '');
    if (url.pathname.startsWith('/api/models/owner/name/revision/'))
      this.#revision(parts, response);
    else if (url.pathname === `/api/models/owner/name/tree/${COMMIT}`) this.#tree(url, response);
    else if (url.pathname.startsWith(`/owner/name/resolve/${COMMIT}/`)) {
      this.#resolve(parts.slice(4).join('/'), request, response);
    } else if (parts[0] === 'cdn') this.#content(parts.slice(1).join('/'), request, response);
    else json(response, 404, { error: 'Repository not found' });
  }

  #revision(parts: readonly string[], response: ServerResponse): void {
    const revision = parts.at(-1);
    if (revision !== 'main' && revision !== COMMIT) {
      json(response, 404, { error: `Invalid rev id: ${revision}` });
      return;
    }
    const facts = { _id: '1', id: 'owner/name', sha: COMMIT, private: false, gated: false };
    json(response, 200, { ...facts, downloads: 0, likes: 0, lastModified: '2026-01-01T00:00:00Z' });
  }

  /** Two entries a page, as a long listing would come. */
  #tree(url: URL, response: ServerResponse): void {
    const entries = Object.entries(this.#options.files).map(toEntry);
    const folder = { type: 'directory', path: 'onnx', size: 0, oid: '0'.repeat(40) };
    const first = Number(url.searchParams.get('cursor') ?? 0);
    const all = [folder, ...entries];
    if (first + 2 < all.length) {
      url.searchParams.set('cursor', String(first + 2));
      const next = `http://${this.#host()}${url.pathname}${url.search}`;
      response.setHeader('link', `<${next}>; rel="next"`);
    }
    json(response, 200, all.slice(first, first + 2));
  }

  #host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #resolve(path: string, request: IncomingMessage, response: ServerResponse): void {
    const content = this.#options.files[path];
    if (content === undefined) {
      response.setHeader('x-error-code', 'EntryNotFound');
      json(response, 404, { error: 'Entry not found' });
      return;
    }
    if (!isLarge(content)) {
      this.#content(path, request, response);
      return;
    }
    response.writeHead(302, { location: `http://${this.#host()}/cdn/${path}` }).end();
  }

  #content(path: string, request: IncomingMessage, response: ServerResponse): void {
    const content = this.falsified.get(path) ?? this.#options.files[path] ?? Buffer.alloc(0);
    const { range } = request.headers;
    const [, first = '0', last] = /^bytes=(\d+)-(\d+)?$/.exec(range ?? '') ?? [];
    const from = Number(first);
    const to = Math.min(last === undefined ? content.length : Number(last) + 1, content.length);
    const isProbe = range === 'bytes=0-0';
    if (!isProbe) this.ranges.push({ path, range });
    response.writeHead(range === undefined ? 200 : 206, {
      etag: `"${sha256(content)}"`,
      'accept-ranges': 'bytes',
      'content-length': to - from,
      ...(range !== undefined && { 'content-range': `bytes ${from}-${to - 1}/${content.length}` }),
    });
    const cut = isLarge(content) && !isProbe ? this.breakAfter.shift() : undefined;
    if (cut === undefined) response.end(content.subarray(from, to));
    else response.write(content.subarray(from, from + cut), () => response.destroy());
  }
}

function isLarge(content: Buffer): boolean {
  return content.length > 1_000;
}

function toEntry([path, content]: [string, Buffer]) {
  const blob = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  const entry = { type: 'file', path, size: content.length, oid: blob };
  if (!isLarge(content)) return entry;
  const lfs = { oid: sha256(content), size: content.length, pointerSize: 130 };
  return { ...entry, oid: '1'.repeat(40), lfs };
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
