import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DASHBOARDS, dashboardFile } from '../../../../src/tools/dashboards/write-dashboards.ts';
import { gridOf, readDashboards } from '../../../helpers/grafana-dashboards.ts';
import { buildTestApp } from '../../../helpers/test-app.ts';

describe('The dashboards', () => {
  it('are committed as `npm run dashboards` writes them', () => {
    for (const dashboard of DASHBOARDS) {
      const { file, text } = dashboardFile(dashboard);
      assert.equal(readFileSync(file, 'utf8'), text, `${file} has drifted: npm run dashboards`);
    }
    assert.equal(readdirSync('docker/grafana/dashboards').length, DASHBOARDS.length);
  });

  it('have panels with unique ids, titles, descriptions and queries', () => {
    for (const { title, panels } of readDashboards()) {
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      for (const panel of panels.filter(({ type }) => type !== 'row')) {
        const name = `${title} / ${panel.title}`;
        assert.ok(panel.title !== '' && panel.description?.endsWith('.'), name);
        assert.ok((panel.targets?.length ?? 0) > 0, name);
        assert.equal(panel.targets?.length, new Set(panel.targets?.map(({ refId }) => refId)).size);
      }
    }
  });

  it('place panels inside the grid without overlaps', () => {
    for (const { title, panels } of readDashboards()) {
      const taken = new Set<string>();
      for (const { title: name, gridPos } of panels) {
        assert.ok(gridPos.x + gridPos.w <= 24, `${title} / ${name} sticks out`);
        for (const cell of gridOf(gridPos)) {
          assert.ok(!taken.has(cell), `${title} / ${name} lies on another panel`);
          taken.add(cell);
        }
      }
    }
  });

  it('query only metrics that exist, and most of them', async () => {
    const { metrics } = await buildTestApp({
      settings: { holdout: { share: 0.5, random: () => 0 } },
    });
    const known = metrics.definitions.map(({ name }) => name);
    const rules = readFileSync('docker/prometheus/rules/recording.yml', 'utf8');
    const queries = readDashboards()
      .flatMap(({ panels }) => panels.flatMap(({ targets }) => targets ?? []))
      .map(({ expr }) => expr)
      .join('\n');
    const asked = new Set<string>();
    for (const [, name = ''] of queries.matchAll(/\b((?:job:)?thinkgate_[\w:]+)\{/g)) {
      if (name.startsWith('job:')) {
        assert.ok(rules.includes(`record: ${name}\n`), name);
        continue;
      }
      const metric = known.find((other) =>
        name.replace(other, '').match(/^(_bucket|_sum|_count)?$/),
      );
      assert.ok(metric !== undefined, name);
      asked.add(metric);
    }
    assert.ok(asked.size > 0.8 * known.length, `${asked.size} of ${known.length} are shown`);
  });
});
