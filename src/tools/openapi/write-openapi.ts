import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import swagger from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { buildApp } from '../../server/http/app.ts';
import type { ServedModel } from '../../server/http/served-model.ts';
import { DEFAULT_HTTP_SETTINGS } from '../../server/settings/http-settings.ts';
import { Metrics } from '../../server/telemetry/metrics.ts';
import { type Json, sortKeys, tidyComponents } from './openapi-document.ts';

const FOLDER = 'openapi';

/**
 * The OpenAPI 3.1 description of the server's routes. Sorted keys make equal routes give equal text. Needs no model and
 * no port.
 */
export async function generateOpenApi(): Promise<string> {
  const app = await buildApp({
    model: UNASKED_MODEL,
    metrics: new Metrics(unasked, { version: '', model: '', precision: '' }),
    requestLog: { write: unasked, failure: unasked, note: unasked },
    version: '',
    settings: DEFAULT_HTTP_SETTINGS,
    beforeRoutes: async (instance) => {
      await instance.register(swagger, {
        openapi: {
          openapi: '3.1.0',
          info: {
            title: 'thinkgate',
            description:
              'OpenAI-compatible inference for models that decide for themselves whether to think.',
            version: '1',
            license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
          },
          servers: [{ url: '/', description: 'This server.' }],
          security: [{}, { bearer: [] }, { header: [] }],
          components: { securitySchemes: SECURITY_SCHEMES },
        },
        transform: (input) => {
          const described = jsonSchemaTransform(input);
          const isOpen = input.route.config?.access === 'open';
          return isOpen
            ? { ...described, schema: { ...described.schema, security: [] } }
            : described;
        },
        transformObject: jsonSchemaTransformObject,
      });
    },
  });
  await app.ready();
  const document: Json = JSON.parse(JSON.stringify(app.swagger()));
  await app.close();
  return `${JSON.stringify(sortKeys(tidyComponents(document)), null, 2)}\n`;
}

/** The two ways to send an API key, if the server has keys. */
const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer' },
  header: { type: 'apiKey', in: 'header', name: 'x-api-key' },
} as const;

/** Fails when the description of the routes calls the model. */
function unasked(): never {
  throw new Error('The description of the routes asked the model.');
}

const UNASKED_MODEL: ServedModel = {
  id: '',
  manifest: {
    name: '',
    precision: 'fp32',
    chat: { template: '', contentFormat: 'string', imagePlaceholder: null, toolCalls: null },
    tokens: { image: null, eos: [] },
    sampling: { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1 },
    thinking: {
      name: '',
      tags: { open: '<think>', close: '</think>' },
      defaultMode: 'auto',
      modes: {},
      decide: { by: 'prompt' },
      history: { thinking: 'drop' },
      budget: { exit: '</think>' },
      evidence: 'inferred',
    },
    vision: null,
  },
  formatter: { format: unasked },
  tokenizer: { encode: unasked, decode: unasked, spelling: unasked },
  tokenTable: { bytes: new Uint8Array(0), offsets: new Uint32Array(1) },
  specialIds: new Set(),
  exitTokens: 0,
  engine: {
    generate: unasked,
    answerNow: unasked,
    status: unasked,
    engines: unasked,
    limits: { slotCapacity: 0, vocabSize: 0, kvCacheType: '' },
  },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${FOLDER}/openapi.json`, await generateOpenApi());
}
