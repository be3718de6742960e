import { connect } from 'node:net';

/** Sends bytes, piece by piece if need be, and returns all that came back until the connection ended. */
export function talk(
  url: string,
  pieces: readonly (Buffer | string)[],
  pauseMs = 0,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let reply = '';
    socket.on('data', (bytes) => {
      reply += bytes.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(reply);
    });
    let next = 0;
    let timer: NodeJS.Timeout | undefined;
    const write = (): void => {
      const piece = pieces[next++];
      if (piece === undefined || socket.destroyed) return;
      socket.write(piece);
      timer = setTimeout(write, pauseMs);
    };
    socket.once('connect', write);
  });
}

const HOST = 'host: localhost\r\nconnection: close\r\n';
const POST = `POST /v1/chat/completions HTTP/1.1\r\n${HOST}content-type: application/json\r\n`;

/** Requests that are not quite HTTP, or mean two things at once; each asks for the connection to be closed. */
export const BROKEN_HTTP: readonly (string | Buffer)[] = [
  'NONSENSE\r\n\r\n',
  '\u0000\u0001\u0002\r\n\r\n',
  Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x0d, 0x0a]),
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  `GET /v1/models HTTP/9.9\r\n${HOST}\r\n`,
  'GET /v1/models HTTP/1.1\r\n\r\n',
  `GET /v1/models HTTP/1.1\r\n${HOST}host: evil.example\r\n\r\n`,
  `GET http://evil.example/v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n`,
  `GET /v1/mod\u0000els HTTP/1.1\r\n${HOST}\r\n`,
  `G\u00c9T / HTTP/1.1\r\n${HOST}\r\n`,
  `${POST}content-length: -1\r\n\r\n`,
  `${POST}content-length: 1e3\r\n\r\n`,
  `${POST}content-length: 99999999999999999999\r\n\r\n`,
  `${POST}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
  `${POST}content-length: 5, 5\r\n\r\nhello`,
  `${POST}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  `${POST}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n`,
  `${POST}transfer-encoding: chunked\r\n\r\nzz\r\n\r\n`,
  `${POST}transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n\r\n`,
  `${POST}transfer-encoding: identity\r\n\r\n{}`,
  `${POST}transfer-encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n`,
  `${POST}x-bad\u0000name: 1\r\n\r\n`,
  `${POST}x-bad name: 1\r\n\r\n`,
  `${POST}: empty\r\n\r\n`,
  `${POST}x-folded: a\r\n b\r\ncontent-length: 0\r\n\r\n`,
  `${POST}x-value: a\u0000b\r\n\r\n`,
  `${POST}x-long: ${'a'.repeat(70_000)}\r\n\r\n`,
  `${POST}${Array.from({ length: 3_000 }, (_, at) => `x-${at}: 1\r\n`).join('')}\r\n`,
  `GET /${'a'.repeat(70_000)} HTTP/1.1\r\n${HOST}\r\n`,
  `${POST}content-length: 0\r\nexpect: 200-maybe\r\n\r\n`,
  `${POST}content-length: 999999999\r\n\r\n{`,
];

/** A request whose headers, or whose body, never come to an end. */
export function slowLoris(part: 'body' | 'headers'): string[] {
  const start = part === 'headers' ? POST : `${POST}content-length: 100000\r\n\r\n{"model":"`;
  return [start, ...Array.from({ length: 1_000 }, () => (part === 'headers' ? 'x-a: b\r\n' : 'a'))];
}
