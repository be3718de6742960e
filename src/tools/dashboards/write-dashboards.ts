import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DASHBOARDS, dashboardFile } from './dashboard-files.ts';

/** Writes every dashboard where Grafana's provisioning looks for it. Run by `npm run dashboards`. */
for (const dashboard of DASHBOARDS) {
  const { file, text } = dashboardFile(dashboard);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
