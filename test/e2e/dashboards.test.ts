import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server/main.ts';
import { missing, runTool } from '../helpers/debian-tool.ts';
import { type GrafanaTarget, readDashboards, substituted } from '../helpers/grafana-dashboards.ts';
import { MixedLoad } from '../helpers/mixed-load.ts';
import { PrometheusServer, type Series } from '../helpers/prometheus-server.ts';
import { startShipped } from '../helpers/shipped-server.ts';

/** Long enough to hold several scrapes. */
const WINDOW = '3s';
const SECONDS = 3;

describe('Under mixed load', { skip: missing('prometheus', 'promtool') }, () => {
  let server: RunningServer;
  let prometheus: PrometheusServer;
  let load: MixedLoad;

  before(async () => {
    server = await startShipped({ thinking: { holdoutShare: 0.5 } });
    prometheus = await PrometheusServer.start(server.url);
    load = new MixedLoad(server);
    await load.start();
    await until(async () => (await answered()).savings && load.numSent > 200);
    // The rules are evaluated, and a window of scrapes filled, while the load goes on.
    await sleep(SECONDS * 1000);
  });

  after(async () => {
    await load?.stop();
    await prometheus?.close();
    await server?.close();
  });

  async function answered(): Promise<{ savings: boolean }> {
    return { savings: (await prometheus.query('thinkgate_saved_tokens_per_request')).length > 0 };
  }

  it('fill every query of every dashboard panel with data', async () => {
    const empty: string[] = [];
    let numQueries = 0;
    for (const { title, panels } of readDashboards()) {
      for (const panel of panels) {
        for (const target of panel.targets ?? []) {
          numQueries++;
          if (!(await hasData(prometheus, target))) {
            empty.push(`${title} / ${panel.title}: ${target.expr}`);
          }
        }
      }
    }
    assert.ok(numQueries > 60);
    assert.deepEqual(empty, []);
  });

  it('offer the job and the instance as choices of the dashboards', async () => {
    assert.deepEqual(await prometheus.labelValues('job', 'thinkgate_build_info'), ['thinkgate']);
    const instances = await prometheus.labelValues('instance', 'thinkgate_build_info{job=~".*"}');
    assert.deepEqual(instances, [new URL(server.url).host]);
  });

  it('evaluate the shipped rules without firing an alert', async () => {
    for (const name of [
      'job:thinkgate_thinking_rate:ratio_rate5m',
      'job:thinkgate_thinking_rate:ratio_rate1h',
      'job:thinkgate_budget_exhaustion:ratio_rate30m',
      'job:thinkgate_error_rate:ratio_rate5m',
      'job:thinkgate_time_to_first_answer_token_seconds:p95_rate5m',
      'job:thinkgate_kv_cache_usage:max',
    ]) {
      assert.ok(await hasData(prometheus, { refId: 'A', expr: name, instant: false }), name);
    }
    assert.deepEqual(await prometheus.query('ALERTS{alertstate="firing"}'), []);
    assert.equal((await prometheus.query('sum(thinkgate_empty_answers_total)'))[0]?.values[0], 0);
  });

  it('show a hold-out saving inside its interval, and above zero', async () => {
    const bounds = await prometheus.query('thinkgate_saved_tokens_per_request');
    const [estimate, lower, upper] = ['estimate', 'lower', 'upper'].map(
      (name) => bounds.find(({ metric }) => metric['bound'] === name)?.values[0],
    );
    assert.ok(estimate !== undefined && lower !== undefined && upper !== undefined);
    assert.ok(lower <= estimate && estimate <= upper);
    assert.ok(upper > 0, `thinking costs tokens: ${lower} to ${upper}`);
  });

  it('pass promtool but for the colon in the metric names that gateways need', async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const { output } = runTool('promtool', ['check', 'metrics'], text);
    const complaints = output.split('\n').filter((line) => line.includes(' '));
    assert.deepEqual(
      complaints.filter((line) => !/^vllm:\w+ metric names should not contain ':'$/.test(line)),
      [],
    );
    assert.equal(complaints.length, 3);
  });
});

/** A scrape that a busy machine makes late leaves a gap; a panel that is wrong stays empty. */
async function hasData(prometheus: PrometheusServer, target: GrafanaTarget): Promise<boolean> {
  for (let tries = 0; tries < 10; tries++) {
    const series = await seriesOf(prometheus, target);
    if (series.some(({ values }) => values.some(Number.isFinite))) return true;
    await sleep(500);
  }
  return false;
}

function seriesOf(
  prometheus: PrometheusServer,
  { expr, instant }: GrafanaTarget,
): Promise<Series[]> {
  const query = substituted(expr, WINDOW);
  return instant ? prometheus.query(query) : prometheus.queryRange(query, SECONDS);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await condition()) return;
    await sleep(100);
  }
  assert.fail('the condition did not come true within a minute');
}
