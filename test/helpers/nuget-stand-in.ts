import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { crc32 } from 'node:zlib';
import { selfSignedCertificate } from './self-signed-certificate.ts';

const HOST = 'api.nuget.org';

export interface StandInPackage {
  readonly name: string;
  readonly version: string;
  readonly files: Readonly<Record<string, Buffer>>;
}

/**
 * The public NuGet feed, with one package: an HTTPS proxy that answers in the feed's place, so that an installer runs
 * as it is, with nothing but its environment set.
 */
export class NugetStandIn {
  /** Of both names, as the installer's proxy library asks for the feed and looks for `localhost` in the certificate. */
  readonly certificate = selfSignedCertificate([HOST, 'localhost']);
  /** Paths asked for, in order. */
  readonly requests: string[] = [];
  readonly #feed: Server;
  readonly #proxy = createServer();
  readonly #tunnels: Duplex[] = [];

  constructor(offered: StandInPackage) {
    const { cert, key } = this.certificate;
    this.#feed = createTlsServer({ cert, key }, (request, response) =>
      this.#answer(offered, request, response),
    );
    this.#proxy.on('connect', (request: IncomingMessage, client: Duplex) =>
      this.#tunnel(request, client),
    );
  }

  /** @returns the proxy's address */
  async listen(): Promise<string> {
    const port = await listen(this.#proxy);
    await listen(this.#feed);
    return `http://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    for (const side of this.#tunnels) side.destroy();
    for (const server of [this.#proxy, this.#feed]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #tunnel({ url }: IncomingMessage, client: Duplex): void {
    if (url !== `${HOST}:443`) {
      client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      return;
    }
    const feed = connect((this.#feed.address() as AddressInfo).port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      feed.pipe(client).pipe(feed);
    });
    this.#tunnels.push(client, feed);
    client.on('error', () => feed.destroy());
    feed.on('error', () => client.destroy());
  }

  #answer(
    { name, version, files }: StandInPackage,
    { url = '' }: IncomingMessage,
    response: ServerResponse,
  ): void {
    this.requests.push(url);
    const base = `https://${HOST}/flat/`;
    const id = name.toLowerCase();
    const json: Record<string, unknown> = {
      '/v3/index.json': { resources: [{ '@id': base, '@type': 'PackageBaseAddress/3.0.0' }] },
      [`/flat/${id}/index.json`]: { versions: [version] },
    };
    if (url === `/flat/${id}/${version}/${id}.${version}.nupkg`) response.end(storedZip(files));
    else if (json[url] === undefined) response.writeHead(404).end();
    else {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(json[url]));
    }
  }
}

async function listen(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** An archive whose files are stored as they are. Layout: PKWARE's APPNOTE.TXT, 4.3. */
function storedZip(files: StandInPackage['files']): Buffer {
  const entries: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [path, content] of Object.entries(files)) {
    const name = Buffer.from(path);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const entry = Buffer.concat([Buffer.from('PK\x03\x04'), common, name, content]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02'), Buffer.of(20, 0), common, place, name);
    entries.push(entry);
    offset += entry.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  const count = Object.keys(files).length;
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...entries, central, Buffer.from('PK\x05\x06'), end]);
}
