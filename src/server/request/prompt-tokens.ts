import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { disconnectSignal } from '../http/disconnect-signal.ts';
import { modeOfName } from '../http/model-names.ts';
import type { RouteContext } from '../http/route-context.ts';
import { prepareGeneration } from './generation-request.ts';
import type { ControlSource } from './thinking-wishes.ts';

/** The tokens that a chat with this body would begin from; its images are fetched and counted. */
export async function promptTokens(
  { body, header }: Omit<ControlSource, 'alias'>,
  reply: FastifyReply,
  { model, settings, loadBias }: RouteContext,
): Promise<Int32Array> {
  const alias = modeOfName(body.model, model);
  const signal = disconnectSignal(reply);
  const { request } = await prepareGeneration(
    { body, alias, header },
    {
      id: randomUUID(),
      model,
      // Nothing is generated, so there is nothing to compare.
      settings: { ...settings, holdout: null },
      loadBias: loadBias(),
      signal,
    },
  );
  return request.promptTokenIds;
}
