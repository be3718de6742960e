import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENGINE } from './engine.ts';
import { toGrafana } from './grafana.ts';
import type { Dashboard } from './panel.ts';
import { SERVING } from './serving.ts';
import { THINKING } from './thinking.ts';

export const DASHBOARDS: readonly Dashboard[] = [THINKING, SERVING, ENGINE];

/**
 * The committed file of a dashboard, in the folder that Grafana's provisioning reads.
 * @returns its path from the root of the repository, and its content
 */
export function dashboardFile(dashboard: Dashboard): {
  readonly file: string;
  readonly text: string;
} {
  return {
    file: `docker/grafana/dashboards/${dashboard.uid}.json`,
    text: `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { file, text } of DASHBOARDS.map(dashboardFile)) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
