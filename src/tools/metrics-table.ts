import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Metrics } from '../server/telemetry/metrics.ts';

/** Where the table is committed, from the root of the repository. */
export const METRICS_FILE = 'docker/METRICS.md';

const INTRODUCTION = `# Metrics

For operators: every metric that \`GET /metrics\` exposes. The metrics of the hold-out (\`thinkgate_holdout_*\`,
\`thinkgate_saved_*\`) exist only with \`--holdout-share\`. The metrics with the label \`engine\` have one sample per engine
process. The three \`vllm:\` gauges repeat thinkgate's own for gateways and autoscalers that look them up by that name.

This file is generated from the code by \`npm run metrics\`.
`;

/** The Markdown table of all metrics, in the order of their declaration. Needs no model and no engine. */
export function metricsTable(): string {
  const { definitions } = new Metrics(() => [], {
    version: '',
    model: '',
    precision: '',
    holdoutShare: 0,
  });
  const rows = definitions.map(({ name, type, labels, help }) => {
    const labelCell = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labelCell} | ${help} |\n`;
  });
  return `${INTRODUCTION}
| metric | type | labels | meaning |
|---|---|---|---|
${rows.join('')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(METRICS_FILE, metricsTable());
}
