import { createServer, type Server } from 'node:net';

/** A server on this machine that must never be reached: it counts every connection, whatever is then said on it. */
export class Canary {
  #numTouches = 0;
  readonly #servers: Server[] = [];
  #port = 0;

  /** Listens on 127.0.0.1 and, where the machine has it, on ::1, on one port. */
  static async start(): Promise<Canary> {
    const canary = new Canary();
    canary.#port = await canary.#listen('127.0.0.1', 0);
    await canary.#listen('::1', canary.#port).catch(() => 0);
    return canary;
  }

  get port(): number {
    return this.#port;
  }

  get numTouches(): number {
    return this.#numTouches;
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  #listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        this.#numTouches += 1;
        socket.destroy();
      });
      server.once('error', reject);
      server.listen(port, host, () => {
        this.#servers.push(server);
        resolve((server.address() as { port: number }).port);
      });
    });
  }
}

/** Ways to write a host that leads to this machine, a private network or a cloud's metadata service. */
export const FORBIDDEN_HOSTS: readonly string[] = [
  // This machine.
  ...['127.0.0.1', '127.1', '127.0.1', '127.255.255.254', '127.0.0.1.', 'localhost', 'LOCALHOST'],
  ...['localhost.', '0', '0.0.0.0', '0.0.0.0.', '0x0', '00.00.00.00'],
  // The same as numbers of other bases and lengths.
  ...['2130706433', '0x7f000001', '0x7f.0.0.1', '0x7f.1', '0X7F.0X0.0X0.0X1', '017700000001'],
  ...['0177.0.0.1', '0177.0.0.01', '127.0x0.0.1', '127.0.0.0x1', '0x7f.0.1', '127.00000.0.1'],
  // Full-width and other digits, and dots that browsers read as dots.
  ...[
    '１２７.０.０.１',
    '127。0。0。1',
    '⑫⑦.0.0.1',
    '127．0．0．1',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
    '%31%32%37.0.0.1',
  ],
  // IPv6, and IPv4 wrapped in it.
  ...['[::1]', '[0:0:0:0:0:0:0:1]', '[0000::0001]', '[::]', '[::ffff:127.0.0.1]'],
  ...['[::ffff:7f00:1]', '[0:0:0:0:0:ffff:7f00:1]', '[::127.0.0.1]', '[::ffff:0:127.0.0.1]'],
  ...['[64:ff9b::127.0.0.1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]', '[2001:0:7f00:1::]'],
  // Private and shared networks.
  ...['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '100.64.0.1'],
  ...['[fc00::1]', '[fd12:3456::1]', '[fe80::1]', '[fec0::1]', '[ff02::1]', '[4000::1]'],
  // Clouds' metadata services.
  ...['169.254.169.254', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '169.254.43518'],
  ...['[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[fd00:ec2::254]', '100.100.100.200'],
  // Reserved, broadcast, documentation, multicast.
  ...['192.0.0.192', '192.0.2.1', '198.18.0.1', '203.0.113.1', '224.0.0.1', '240.0.0.1'],
  '255.255.255.255',
];
