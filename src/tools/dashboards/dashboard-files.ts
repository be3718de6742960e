import { ENGINE } from './engine.ts';
import { toGrafana } from './grafana.ts';
import type { Dashboard } from './panel.ts';
import { SERVING } from './serving.ts';
import { THINKING } from './thinking.ts';

export const DASHBOARDS: readonly Dashboard[] = [THINKING, SERVING, ENGINE];

/** Where a dashboard is committed, from the root of the repository, and what is in it. */
export function dashboardFile(dashboard: Dashboard): {
  readonly file: string;
  readonly text: string;
} {
  return {
    file: `docker/grafana/dashboards/${dashboard.uid}.json`,
    text: `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
  };
}
