import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { countTokensRoute, messagesRoute } from '../api/anthropic/messages-route.ts';
import { completionsRoute } from '../api/completions/completions-route.ts';
import { chatCompletionsRoute } from '../api/openai-chat/chat-completions-route.ts';
import {
  inputTokensRoute,
  keptResponsesRoute,
  responsesRoute,
} from '../api/responses/responses-route.ts';
import { LoadPolicy } from '../request/load-policy.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { RequestLog } from '../telemetry/request-log.ts';
import type { RequestTracer } from '../telemetry/request-trace.ts';
import { addAccessCheck, addCors } from './access/access-check.ts';
import { Drain } from './drain.ts';
import { addErrorHandlers, answerClientError, answerError } from './error-replies.ts';
import { ApiError } from './errors.ts';
import { createNodeServer } from './node-server.ts';
import { type RouteContext, RunningCompletions } from './route-context.ts';
import { controlRoute } from './routes/control-route.ts';
import { docsRoute } from './routes/docs-route.ts';
import { modelsRoute } from './routes/models-route.ts';
import { healthRoute, metricsRoute, readyRoute, versionRoute } from './routes/operations-routes.ts';
import { tokenizeRoute } from './routes/tokenize-route.ts';
import type { ServedModel } from './served-model.ts';
import type { HttpSettings } from './settings.ts';
import { rejectDeepNesting, zodValidatorCompiler } from './validation.ts';

/** The server echoes and logs ids of clients, so they must be short and printable. */
const SANE_REQUEST_ID = /^[\w.:/+=-]{1,128}$/;

const PLUGIN_TIMEOUT_MS = 10_000;

export interface AppOptions {
  readonly model: ServedModel;
  readonly metrics: Metrics;
  readonly requestLog: RequestLog;
  /** Traces requests; absent for no traces. */
  readonly tracer?: RequestTracer | null;
  readonly version: string;
  readonly settings: HttpSettings;
  /** OpenAPI description that /docs shows; without it there is no /docs. */
  readonly openapiFile?: string;
  /** Called before the routes are registered; the OpenAPI generator hooks in here. */
  readonly beforeRoutes?: (app: FastifyInstance) => Promise<void>;
}

/** Builds the whole HTTP server. It does not listen yet: call `listen` or `inject` on the result. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { model, metrics, requestLog, tracer = null, version, settings } = options;
  const created = Math.floor(Date.now() / 1000);
  const load = settings.load === null ? null : new LoadPolicy(settings.load);
  const loadBias = (): number => load?.bias(model.engine.status()) ?? 0;
  const context: RouteContext = {
    model,
    settings,
    running: new RunningCompletions(),
    metrics,
    requestLog,
    tracer,
    loadBias,
    version,
    created,
  };
  const app = fastify({
    bodyLimit: settings.bodyLimitBytes,
    serverFactory: (listener) => createNodeServer(listener, settings),
    return503OnClosing: false,
    // Draining happens in a hook of a plugin.
    pluginTimeout: settings.drainMs + PLUGIN_TIMEOUT_MS,
    genReqId: (request) => requestIdOf(request.headers),
    frameworkErrors: (error, request, reply) => answerError(error, { request, reply, context }),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, settings),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(zodValidatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeContentTypeParser('text/plain');
  app.decorateRequest('observation', null);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    assertOneHost(request.raw);
  });
  const drain = new Drain(app, settings);
  await addCors(app, settings.corsOrigins);
  addAccessCheck(app, settings.access);
  rejectDeepNesting(app);
  addErrorHandlers(app, context);
  await options.beforeRoutes?.(app);
  await app.register(chatCompletionsRoute(context));
  await app.register(controlRoute(context));
  await app.register(completionsRoute(context));
  await app.register(responsesRoute(context));
  await app.register(inputTokensRoute(context));
  await app.register(keptResponsesRoute);
  await app.register(messagesRoute(context));
  await app.register(countTokensRoute(context));
  await app.register(modelsRoute(context));
  await app.register(tokenizeRoute(context));
  await app.register(healthRoute);
  await app.register(readyRoute(context, drain));
  await app.register(metricsRoute(context));
  await app.register(versionRoute(context));
  if (options.openapiFile !== undefined) await app.register(docsRoute(options.openapiFile));
  return app;
}

/** Two hosts in one request mean that a proxy on the way may have read another request than this server. */
function assertOneHost({ rawHeaders }: IncomingMessage): void {
  const names = rawHeaders.filter((_, at) => at % 2 === 0);
  const numHosts = names.filter((name) => name.toLowerCase() === 'host').length;
  if (numHosts <= 1) return;
  throw new ApiError('invalid_request', `A request has one \`host\` header; got ${numHosts}.`);
}

function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : randomUUID();
}
