import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = 'docker/grafana/dashboards';

export interface GridPosition {
  readonly h: number;
  readonly w: number;
  readonly x: number;
  readonly y: number;
}

export interface GrafanaTarget {
  readonly refId: string;
  readonly expr: string;
  readonly instant: boolean;
}

/** The parts of Grafana's JSON model that the tests look at. */
export interface GrafanaDashboard {
  readonly title: string;
  readonly templating: { readonly list: readonly { readonly name: string }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly description?: string;
    readonly gridPos: GridPosition;
    readonly targets?: readonly GrafanaTarget[];
  }[];
}

/** The dashboards as they are committed. */
export function readDashboards(): GrafanaDashboard[] {
  return readdirSync(FOLDER).map(
    (name) => JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as GrafanaDashboard,
  );
}

/** Every cell of the grid a panel covers. */
export function gridOf({ h, w, x, y }: GridPosition): string[] {
  return Array.from(
    { length: h * w },
    (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`,
  );
}

/** A query as Grafana sends it, with every template variable filled in. */
export function substituted(expr: string, window: string): string {
  return expr
    .replaceAll('$__rate_interval', window)
    .replaceAll('$__range', window)
    .replaceAll('$job', '.*')
    .replaceAll('$instance', '.*');
}
