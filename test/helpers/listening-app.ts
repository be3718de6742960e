import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { buildTestApp, type TestApp, type TestAppOptions } from './test-app.ts';

export interface ListeningApp extends TestApp {
  readonly url: string;
}

/** A test app on a free port, closed when the test is over. */
export async function listeningApp(
  context: TestContext,
  options: TestAppOptions = {},
): Promise<ListeningApp> {
  const built = await buildTestApp(options);
  const listening = await built.app.listen({ host: '127.0.0.1', port: 0 });
  // fastify does not look at what kind of server it was given.
  const url = options.settings?.tls ? listening.replace('http:', 'https:') : listening;
  context.after(() => built.app.close());
  return { ...built, url };
}

/** An address at which nothing listens: a port that was free a moment ago. */
export async function deserted(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

/** Waits until something becomes true that no event announces. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`Waited in vain for ${what}.`);
}
