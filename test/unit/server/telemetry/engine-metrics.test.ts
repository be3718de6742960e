import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineStatus } from '../../../../src/server/engines/engine-client.ts';
import { Metrics } from '../../../../src/server/telemetry/metrics.ts';
import { FakeEngineClient } from '../../../helpers/fake-engine-client.ts';

const BUILD = { version: '1.2.3', model: 'test-model', precision: 'fp32' };
const STATUS = new FakeEngineClient().status();

async function exposed(engines: () => readonly EngineStatus[]): Promise<string[]> {
  return (await new Metrics(engines, BUILD).expose()).split('\n');
}

test('exposes the current state of every engine with its number as a label', async () => {
  const other = { ...STATUS, numWaiting: 7, kvCacheUsage: 0.75, state: 'restarting' as const };
  const lines = await exposed(() => [STATUS, other]);
  for (const line of [
    'thinkgate_num_requests_running{engine="0"} 2',
    'thinkgate_num_requests_waiting{engine="0"} 1',
    'thinkgate_num_requests_waiting{engine="1"} 7',
    'thinkgate_kv_cache_usage_perc{engine="1"} 0.75',
    'thinkgate_engine_ready{engine="0"} 1',
    'thinkgate_engine_ready{engine="1"} 0',
    'thinkgate_engine_restarts_total{engine="1"} 3',
    'thinkgate_engine_resident_memory_bytes{engine="0"} 1073741824',
    'thinkgate_prefix_cache_queries_total{engine="0"} 90',
    'thinkgate_prefix_cache_hits_total{engine="0"} 60',
    'thinkgate_mm_cache_queries_total{engine="0"} 8',
    'thinkgate_mm_cache_hits_total{engine="0"} 5',
    'thinkgate_num_aborted_requests_total{engine="0"} 4',
    'thinkgate_engine_steps_total{engine="0"} 70',
    'thinkgate_engine_step_seconds_total{engine="0"} 1.4',
    'thinkgate_engine_decoded_tokens_total{engine="0"} 140',
    'thinkgate_engine_prefilled_tokens_total{engine="0"} 30',
    'thinkgate_engine_image_tiles_total{engine="0"} 12',
    'thinkgate_engine_image_seconds_total{engine="0"} 0.6',
    'thinkgate_build_info{version="1.2.3",model="test-model",precision="fp32"} 1',
  ]) {
    assert.ok(lines.includes(line), line);
  }
});

test("exposes one sample for all engines under each of vLLM's names", async () => {
  const other = { ...STATUS, numWaiting: 7, numRunning: 1, kvCacheUsage: 0.75 };
  const lines = await exposed(() => [STATUS, other]);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('vllm:')),
    [
      'vllm:num_requests_waiting{model_name="test-model"} 8',
      'vllm:num_requests_running{model_name="test-model"} 3',
      'vllm:kv_cache_usage_perc{model_name="test-model"} 0.5',
    ],
  );
});

test('reads the current values at every scrape and does not accumulate them', async () => {
  let numWaiting = 1;
  const metrics = new Metrics(() => [{ ...STATUS, numWaiting }], BUILD);
  await metrics.expose();
  numWaiting = 5;
  const lines = (await metrics.expose()).split('\n');
  assert.ok(lines.includes('thinkgate_num_requests_waiting{engine="0"} 5'));
  assert.ok(lines.includes('thinkgate_engine_restarts_total{engine="0"} 3'));
});
