import assert from 'node:assert/strict';
import { type LookupAddress, lookup } from 'node:dns';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { ChatInputError } from '../../../../../src/server/prompt/chat-input-error.ts';
import { type FetchLimits, ImageFetcher } from '../../../../../src/server/prompt/images/fetch.ts';
import { isPublicAddress, type Resolver } from '../../../../../src/server/prompt/images/lookup.ts';
import { Canary, FORBIDDEN_HOSTS } from '../../../../helpers/canary.ts';

const PARAM = 'messages[0].content[0]';

/** An HTTP server that closes when the test is over, however it ends. @returns its port */
async function listen(
  context: TestContext,
  host: string,
  listener: RequestListener,
): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('image URLs that lead where they must not', () => {
  let canary: Canary;
  const open: ImageFetcher[] = [];

  before(async () => {
    canary = await Canary.start();
  });
  after(async () => {
    await Promise.all(open.map((fetcher) => fetcher.close()));
    await canary.close();
  });

  function makeFetcher(limits: Partial<FetchLimits> = {}): ImageFetcher {
    const fetcher = new ImageFetcher({
      maxBytes: 1000,
      timeoutMs: 5000,
      isAllowed: isPublicAddress,
      // A final dot would send the question to a name server.
      resolve: (hostname, options, callback) =>
        lookup(hostname.replace(/\.$/, ''), options, callback),
      ...limits,
    });
    open.push(fetcher);
    return fetcher;
  }

  async function assertRefused(fetcher: ImageFetcher, url: string): Promise<string> {
    const error: unknown = await fetcher.fetch(url, PARAM).then(
      () => assert.fail(`${url} was fetched`),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof ChatInputError, `${url}: ${error}`);
    assert.equal(error.code, 'invalid_image_url', url);
    assert.equal(canary.numTouches, 0, url);
    return error.message;
  }

  it('are refused in every spelling, without a single connection', async () => {
    assert.ok(FORBIDDEN_HOSTS.length >= 40);
    const fetcher = makeFetcher();
    for (const host of FORBIDDEN_HOSTS) {
      for (const url of [`http://${host}:${canary.port}/a.png`, `HTTPS://${host}:${canary.port}`]) {
        const message = await assertRefused(fetcher, url);
        assert.match(message, /not a public address|cannot be parsed|host is not known/, url);
      }
    }
  });

  it('are refused with a user name, a back slash or white space in their midst', async () => {
    const fetcher = makeFetcher();
    const { port } = canary;
    for (const url of [
      `http://8.8.8.8@127.0.0.1:${port}/`,
      `http://8.8.8.8:80@127.0.0.1:${port}/`,
      `http://127.0.0.1:${port}#@8.8.8.8/`,
      `http://127.0.0.1:${port}\\@8.8.8.8/`,
      `http:127.0.0.1:${port}/`,
      `http:/\\127.0.0.1:${port}/`,
      `  http://127.0.0.1:${port}/`,
      `ht\ntp://127.0.\t0.1:${port}/`,
      `http://127.0.0.1:${port}\u0000/`,
      `http://8.8.8.8%2f@127.0.0.1:${port}/`,
      `//127.0.0.1:${port}/`,
    ]) {
      await assertRefused(fetcher, url);
    }
  });

  it('are refused by any other scheme', async () => {
    const fetcher = makeFetcher();
    const { port } = canary;
    for (const scheme of [
      'ftp',
      'gopher',
      'dict',
      'ws',
      'wss',
      'ldap',
      'blob:http',
      'unix',
      'jar',
    ]) {
      await assertRefused(fetcher, `${scheme}://127.0.0.1:${port}/`);
    }
    for (const url of ['file:///etc/passwd', 'FILE:/etc/passwd', 'javascript:1', 'about:blank']) {
      await assertRefused(fetcher, url);
    }
  });

  /** Answers a name first with one list of addresses, then with the other for good. */
  function changing(first: readonly string[], later: readonly string[]): Resolver {
    let numCalls = 0;
    return (_hostname, _options, callback) => {
      numCalls += 1;
      const addresses = (numCalls === 1 ? first : later).map(
        (address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }),
      );
      callback(null, addresses);
    };
  }

  it('are refused when a name resolves to such an address, alone or among others', async () => {
    for (const addresses of [
      ['127.0.0.1'],
      ['93.184.216.34', '127.0.0.1'],
      ['::ffff:127.0.0.1'],
      ['::1'],
      ['169.254.169.254'],
      [],
    ]) {
      const fetcher = makeFetcher({ resolve: changing(addresses, addresses) });
      await assertRefused(fetcher, `http://innocent.example:${canary.port}/a.png`);
    }
  });

  it('are refused when the name resolves to another address the second time it is asked for', async (context) => {
    const port = await listen(context, '127.0.0.2', (_request, response) => response.end('image'));
    // 127.0.0.2 stands for the public address with which the name made its first, good impression.
    const isAllowed = (address: string): boolean => address === '127.0.0.2';
    const fetcher = makeFetcher({ isAllowed, resolve: changing(['127.0.0.2'], ['127.0.0.1']) });
    const bytes = await fetcher.fetch(`http://rebind.example:${port}/a.png`, PARAM);
    assert.equal(Buffer.from(bytes).toString(), 'image');
    await assertRefused(fetcher, `http://rebind.example:${canary.port}/a.png`);
  });

  it('are refused for what was connected to, should it not be what was looked up', async (context) => {
    // The rule allows the address when it is looked up and no longer once it is connected to.
    let numAsked = 0;
    const isAllowed = (): boolean => {
      numAsked += 1;
      return numAsked === 1;
    };
    const requests: string[] = [];
    const port = await listen(context, '127.0.0.1', (request, response) => {
      requests.push(request.url ?? '');
      response.end('secret');
    });
    const fetcher = makeFetcher({ isAllowed });
    await assert.rejects(
      fetcher.fetch(`http://127.0.0.1:${port}/metadata`, PARAM),
      /not a public address/,
    );
    assert.deepEqual(requests, []);
  });

  it('are refused when a redirect leads there, in every spelling', async (context) => {
    const port = await listen(context, '127.0.0.2', (request, response) => {
      const location = decodeURIComponent((request.url ?? '').slice(1));
      response.writeHead(302, { location }).end();
    });
    const isAllowed = (address: string): boolean =>
      address === '127.0.0.2' || isPublicAddress(address);
    const fetcher = makeFetcher({ isAllowed });
    const locations = [
      ...FORBIDDEN_HOSTS.map((host) => `http://${host}:${canary.port}/`),
      `//127.0.0.1:${canary.port}/`,
      `\\\\127.0.0.1:${canary.port}/`,
      'file:///etc/passwd',
      'data:image/png;base64,AAAA',
      `http://user@127.0.0.1:${canary.port}/`,
    ].filter((location) => /^[\x20-\x7e]+$/.test(location));
    for (const location of locations) {
      await assertRefused(fetcher, `http://127.0.0.2:${port}/${encodeURIComponent(location)}`);
    }
  });

  it('are refused outside the listed domains, also by redirect', async (context) => {
    const port = await listen(context, '127.0.0.2', (request, response) => {
      if (request.url === '/a.png') response.end('image');
      else response.writeHead(302, { location: `http://evil.example:${canary.port}/` }).end();
    });
    const fetcher = makeFetcher({
      isAllowed: () => true,
      domains: ['cdn.example', '*.images.example'],
      resolve: changing(['127.0.0.2'], ['127.0.0.2']),
    });
    for (const host of ['cdn.example', 'CDN.example.', 'a.b.images.example']) {
      const bytes = await fetcher.fetch(`http://${host}:${port}/a.png`, PARAM);
      assert.equal(Buffer.from(bytes).toString(), 'image', host);
    }
    for (const host of [
      'evil.example',
      'cdn.example.evil.example',
      'xcdn.example',
      'a.cdn.example',
      'images.example',
      'evilimages.example',
      '127.0.0.2',
    ]) {
      const message = await assertRefused(fetcher, `http://${host}:${port}/a.png`);
      assert.match(message, /not among those this server fetches from/);
    }
    const message = await assertRefused(fetcher, `http://cdn.example:${port}/away`);
    assert.match(message, /"evil.example" is not among/);
  });
});
