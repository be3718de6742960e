import { z } from 'zod';
import { inGroup, integer, list, decimal as number, positive, text } from '../option.ts';

const server = inGroup('Server');
const requests = inGroup('Requests and connections');

const MAX_SECONDS = 86_400;
const seconds = positive(MAX_SECONDS);

const origin = z
  .string()
  .regex(/^https?:\/\/[^/]+$/, 'must be origins like https://app.example.com');

/** Where the server listens, and what a client may send. */
export const HTTP_OPTIONS = {
  host: server({
    flags: '--host <address>',
    schema: text,
    default: '127.0.0.1',
    help: 'Address to listen on.',
  }),
  port: server({
    flags: '--port <number>',
    schema: integer(0, 65_535),
    default: 8000,
    help: 'Port to listen on; 0 takes a free one.',
  }),
  servedModelName: server({
    flags: '--served-model-name <name>',
    schema: text,
    default: null,
    defaultHelp: "the package's name",
    help: 'Name of the model in the API.',
  }),
  sslCertfile: server({
    flags: '--ssl-certfile <file>',
    schema: text,
    default: null,
    defaultHelp: 'plain HTTP',
    help: 'Certificate chain in PEM, to serve HTTPS; needs --ssl-keyfile.',
  }),
  sslKeyfile: server({
    flags: '--ssl-keyfile <file>',
    schema: text,
    default: null,
    help: 'Private key of --ssl-certfile in PEM.',
  }),
  allowedOrigins: server({
    flags: '--allowed-origins <list>',
    schema: list(origin),
    default: null,
    defaultHelp: 'none',
    help: 'Origins whose web pages may call the server (CORS), separated by commas.',
  }),
  drainTimeout: server({
    flags: '--drain-timeout <seconds>',
    schema: number(z.number().min(0).max(MAX_SECONDS)),
    default: 30,
    help: 'Time that running requests get to finish at shutdown.',
  }),
  maxTokens: requests({
    flags: '--max-tokens <count>',
    schema: integer(1),
    default: null,
    defaultHelp: 'what --max-model-len leaves',
    help: 'Most output tokens of requests that set no max_tokens.',
  }),
  maxChoices: requests({
    flags: '--max-choices <count>',
    schema: integer(1),
    default: 8,
    help: 'Most choices (`n`) of one request.',
  }),
  deadline: requests({
    flags: '--deadline <seconds>',
    schema: seconds,
    default: null,
    defaultHelp: 'no limit',
    help: 'Time limit of requests that set no `timeout`, queueing included.',
  }),
  bodyLimitMb: requests({
    flags: '--body-limit-mb <size>',
    schema: positive(),
    default: 32,
    help: 'Largest request body in MiB.',
  }),
  headerTimeout: requests({
    flags: '--header-timeout <seconds>',
    schema: seconds,
    default: 20,
    help: 'Time a client has to send the headers of a request.',
  }),
  requestTimeout: requests({
    flags: '--request-timeout <seconds>',
    schema: seconds,
    default: 120,
    help: 'Time a client has to send a whole request.',
  }),
  slowReaderTimeout: requests({
    flags: '--slow-reader-timeout <seconds>',
    schema: seconds,
    default: 60,
    help: 'Time after which a stream that its client does not read is closed.',
  }),
  maxConnections: requests({
    flags: '--max-connections <count>',
    schema: integer(1),
    default: 1024,
    help: 'Most open connections; further ones are closed.',
  }),
} as const;
