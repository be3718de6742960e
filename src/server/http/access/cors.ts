import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

const DAY_SECONDS = 86_400;

/** What a web page may read of a reply beside its body. */
const EXPOSED_HEADERS = [
  'retry-after',
  'retry-after-ms',
  'x-completion-id',
  'x-request-id',
  'x-should-retry',
  'x-thinking-decision',
  'x-thinking-fallback',
  'x-thinking-probability',
  'x-thinking-requested',
  'x-thinking-source',
];

/** Lets web pages of the listed origins call the server from a browser; with none, browsers keep all pages away. */
export async function addCors(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(cors, {
    origin: [...origins],
    methods: ['GET', 'POST'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: DAY_SECONDS,
  });
}
