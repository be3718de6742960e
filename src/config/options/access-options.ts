import { z } from 'zod';
import { inGroup, integer, list, positive, text, toggle } from '../option.ts';

const access = inGroup('API keys and quotas');

/** Which clients may call the server, and how much each may use. */
export const ACCESS_OPTIONS = {
  apiKey: access({
    flags: '--api-key <keys>',
    schema: list(z.string()).transform((keys) => keys.filter((key) => key !== '')),
    default: null,
    defaultHelp: 'none',
    help: 'API keys, each id:value or a plain value, separated by commas.',
  }),
  apiKeyFile: access({
    flags: '--api-key-file <file>',
    schema: text,
    default: null,
    defaultHelp: 'none',
    help: 'File with further API keys, one id:value on each line.',
  }),
  allowAnonymous: access({
    flags: '--allow-anonymous',
    schema: toggle,
    default: false,
    help: 'Without API keys, accept requests from other machines.',
  }),
  openMetrics: access({
    flags: '--open-metrics',
    schema: toggle,
    default: false,
    help: 'Serve GET /metrics without an API key.',
  }),
  requestsPerMinute: access({
    flags: '--requests-per-minute <count>',
    schema: integer(1),
    default: null,
    defaultHelp: 'no limit',
    help: 'Most requests of one API key in a minute.',
  }),
  thinkingQuota: access({
    flags: '--thinking-quota <tokens>',
    schema: integer(1),
    default: null,
    defaultHelp: 'no limit',
    help: 'Most thinking tokens of one API key in the window; beyond it, auto requests do not think.',
  }),
  thinkingQuotaWindow: access({
    flags: '--thinking-quota-window <seconds>',
    schema: positive(),
    default: 60,
    help: 'Window of --thinking-quota.',
  }),
} as const;
