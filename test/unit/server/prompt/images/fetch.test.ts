import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { ChatInputError } from '../../../../../src/server/prompt/chat-input-error.ts';
import {
  decodeDataUrl,
  type FetchLimits,
  ImageFetcher,
} from '../../../../../src/server/prompt/images/fetch.ts';
import { isPublicAddress, lookupAllowed } from '../../../../../src/server/prompt/images/lookup.ts';

const PARAM = 'messages[0].content[0]';
const BYTES = Buffer.from('not really an image');

function refusal(code: string, pattern: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ChatInputError &&
    error.code === code &&
    error.param === PARAM &&
    pattern.test(error.message);
}

/** What the test's server does at each path. */
const ANSWERS: Readonly<Record<string, (response: ServerResponse, rest: string) => void>> = {
  image: (response) => response.end(BYTES),
  missing: (response) => response.writeHead(404).end('x'.repeat(100_000)),
  to: (response, location) => response.writeHead(302, { location }).end(),
  hops: (response, left) => {
    const location = left === '1' ? '/image' : `/hops/${Number(left) - 1}`;
    response.writeHead(307, { location }).end('x'.repeat(100_000));
  },
  announced: (response) => response.writeHead(200, { 'content-length': 5000 }).flushHeaders(),
  endless: (response) => {
    const timer = setInterval(() => response.write(Buffer.alloc(1000)), 1);
    response.on('close', () => clearInterval(timer));
  },
};

describe('an image in a data URL', () => {
  const decode = (url: string, maxBytes = 1000): Uint8Array => decodeDataUrl(url, maxBytes, PARAM);

  it('is decoded', () => {
    for (const prefix of ['data:image/png;base64,', 'data:;base64,', 'DATA:image/png;BASE64,']) {
      assert.deepEqual(decode(prefix + BYTES.toString('base64')), BYTES);
    }
    assert.deepEqual(decode('data:image/svg+xml;charset=utf-8;base64,AAAA'), Buffer.alloc(3));
  });

  for (const [what, url, pattern] of [
    ['has no comma', 'data:image/png;base64', /no comma/],
    ['is not base64', 'data:image/png,abc', /must be encoded as base64/],
    ['is no image', 'data:text/html;base64,AAAA', /"text\/html", not an image/],
    ['holds nothing', 'data:image/png;base64,', /no data/],
    ['has a stray character', 'data:image/png;base64,AA*A', /not valid base64/],
    ['has white space', 'data:image/png;base64,AA\nAA', /not valid base64/],
    ['lacks padding', 'data:image/png;base64,AAA', /not valid base64/],
    ['has padding inside', 'data:image/png;base64,A=AA', /not valid base64/],
    ['uses the URL alphabet', 'data:image/png;base64,A-_A', /not valid base64/],
  ] as const) {
    it(`is refused when it ${what}`, () => {
      assert.throws(() => decode(url), refusal('invalid_image_url', pattern));
    });
  }

  it('is refused when it is too large, naming both numbers', () => {
    const url = `data:image/png;base64,${Buffer.alloc(301).toString('base64')}`;
    assert.throws(() => decode(url, 300), refusal('image_too_large', /301 bytes; at most 300/));
    assert.equal(decode(url, 301).length, 301);
  });
});

describe('public addresses', () => {
  it('are those of the public internet only', () => {
    for (const address of ['8.8.8.8', '2606:4700::1', '::ffff:8.8.8.8']) {
      assert.equal(isPublicAddress(address), true, address);
    }
    for (const address of [
      ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '0.0.0.0'],
      ...['100.100.100.200', '224.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1'],
      ...['::1', '::', 'fe80::1', 'fc00::1', 'fec0::1', 'ff02::1', '2001:db8::1'],
      ...['::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', 'nonsense'],
    ]) {
      assert.equal(isPublicAddress(address), false, address);
    }
  });

  it('are demanded of every name that is looked up', async () => {
    const refused = await new Promise((resolve) => {
      const request = { hostname: 'localhost', options: {}, isAllowed: isPublicAddress };
      lookupAllowed(request, (error) => resolve(error));
    });
    assert.match(String(refused), /"localhost" is not a public address/);
  });

  it('are handed on in the form asked for', async () => {
    const request = { hostname: '127.0.0.1', options: {}, isAllowed: () => true };
    const single = await new Promise((resolve) => {
      lookupAllowed(request, (_, address, family) => resolve([address, family]));
    });
    assert.deepEqual(single, ['127.0.0.1', 4]);
    const all = await new Promise((resolve) => {
      lookupAllowed({ ...request, options: { all: true } }, (_, addresses) => resolve(addresses));
    });
    assert.deepEqual(all, [{ address: '127.0.0.1', family: 4 }]);
  });
});

describe('an image behind an http URL', () => {
  let server: Server;
  let base: string;
  const open: ImageFetcher[] = [];
  const seen: string[] = [];

  before(async () => {
    server = createServer((request, response) => {
      const url = request.url ?? '';
      seen.push(url);
      const [, kind = '', rest = ''] = /^\/(\w+)\/?(.*)$/.exec(url) ?? [];
      // A path without an answer is never answered.
      ANSWERS[kind]?.(response, decodeURIComponent(rest));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address: AddressInfo = Object(server.address());
    base = `http://127.0.0.1:${address.port}`;
  });
  after(async () => {
    await Promise.all(open.map((fetcher) => fetcher.close()));
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });

  function makeFetcher(limits: Partial<FetchLimits> = {}): ImageFetcher {
    const fetcher = new ImageFetcher({
      maxBytes: 4000,
      timeoutMs: 5000,
      isAllowed: () => true,
      ...limits,
    });
    open.push(fetcher);
    return fetcher;
  }

  it('is downloaded', async () => {
    assert.deepEqual(await makeFetcher().fetch(`${base}/image`, PARAM), BYTES);
  });

  it('may redirect three times and no more', async () => {
    assert.deepEqual(await makeFetcher().fetch(`${base}/hops/3`, PARAM), BYTES);
    await assert.rejects(
      makeFetcher().fetch(`${base}/hops/4`, PARAM),
      refusal('invalid_image_url', /more than 3 times/),
    );
  });

  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1', '0']) {
    it(`is refused on ${host} unless private addresses are allowed`, async () => {
      const before = seen.length;
      const url = base.replace('127.0.0.1', host);
      await assert.rejects(
        makeFetcher({ isAllowed: isPublicAddress }).fetch(`${url}/image`, PARAM),
        refusal('invalid_image_url', /not a public address/),
      );
      assert.equal(seen.length, before);
    });
  }

  for (const host of ['127.0.0.2', 'localhost']) {
    it(`is refused when a redirect leads to ${host}, which is not allowed`, async () => {
      // The first host stands for a public one; the second is checked again where it is connected to.
      const isAllowed = (address: string): boolean => address === '127.0.0.1' && seen.length === 0;
      seen.length = 0;
      const target = `${base.replace('127.0.0.1', host)}/image`;
      await assert.rejects(
        makeFetcher({ isAllowed }).fetch(`${base}/to/${encodeURIComponent(target)}`, PARAM),
        refusal('invalid_image_url', new RegExp(`"${host}" is not a public address`)),
      );
      assert.equal(seen.length, 1);
    });
  }

  it('is refused when a redirect leads to another kind of URL', async () => {
    const target = encodeURIComponent('file:///etc/passwd');
    await assert.rejects(
      makeFetcher().fetch(`${base}/to/${target}`, PARAM),
      refusal('invalid_image_url', /not by file:/),
    );
  });

  it('is refused when the server says no', async () => {
    await assert.rejects(
      makeFetcher().fetch(`${base}/missing`, PARAM),
      refusal('invalid_image_url', /status 404/),
    );
  });

  it('is refused when it is announced or turns out too large', async () => {
    for (const path of ['announced', 'endless']) {
      await assert.rejects(
        makeFetcher().fetch(`${base}/${path}`, PARAM),
        refusal('image_too_large', /more than 4000 bytes/),
      );
    }
  });

  it('is refused when it does not arrive in time', async () => {
    await assert.rejects(
      makeFetcher({ timeoutMs: 50 }).fetch(`${base}/never`, PARAM),
      refusal('invalid_image_url', /within 50 ms/),
    );
  });

  it('is given up when the caller goes away', async () => {
    const caller = new AbortController();
    const download = makeFetcher().fetch(`${base}/never`, PARAM, caller.signal);
    caller.abort();
    await assert.rejects(download, { name: 'AbortError' });
  });

  it('is refused when nobody listens', async () => {
    await assert.rejects(
      makeFetcher().fetch('http://127.0.0.1:1/image', PARAM),
      refusal('invalid_image_url', /cannot be downloaded/),
    );
  });

  for (const [url, pattern] of [
    ['ftp://example.com/a.png', /not by ftp:/],
    ['/relative.png', /cannot be parsed/],
    ['http://user:secret@example.com/a.png', /user name or password/],
  ] as const) {
    it(`is refused as ${url}`, async () => {
      await assert.rejects(makeFetcher().fetch(url, PARAM), refusal('invalid_image_url', pattern));
    });
  }
});
