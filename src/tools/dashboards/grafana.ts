import { chartOf } from './charts.ts';
import type { Dashboard, Panel, Row } from './panel.ts';

/** Columns of Grafana's grid, and the height and the default width of a panel in its cells. */
const COLUMNS = 24;
const PANEL_HEIGHT = 8;
const DEFAULT_WIDTH = 8;

/** The data source is a variable, so that the dashboards work in any Grafana. */
const DATASOURCE = { type: 'prometheus', uid: '$datasource' } as const;

interface Position {
  readonly h: number;
  readonly w: number;
  readonly x: number;
  readonly y: number;
}

/** A dashboard in Grafana's JSON model, schema version 39 (Grafana 10.3 and later). */
export function toGrafana({ uid, title, about, rows }: Dashboard): object {
  return {
    uid,
    title,
    description: about,
    tags: ['thinkgate'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '15s',
    timezone: 'browser',
    time: { from: 'now-1h', to: 'now' },
    timepicker: {},
    annotations: { list: [] },
    fiscalYearStartMonth: 0,
    links: [
      {
        type: 'dashboards',
        title: 'thinkgate',
        tags: ['thinkgate'],
        asDropdown: false,
        icon: 'external link',
        includeVars: true,
        keepTime: true,
        targetBlank: false,
        tooltip: '',
        url: '',
      },
    ],
    templating: { list: variables() },
    panels: numbered(rows.flatMap(layOut(placer()))),
  };
}

function variables(): object[] {
  const labelValues = (name: string, label: string, selector: string): object => ({
    type: 'query',
    name,
    label,
    datasource: DATASOURCE,
    query: {
      query: `label_values(thinkgate_build_info${selector}, ${name})`,
      refId: name,
      qryType: 1,
    },
    includeAll: true,
    allValue: '.*',
    multi: true,
    current: { text: 'All', value: '$__all' },
    options: [],
    refresh: 2,
    regex: '',
    sort: 1,
    hide: 0,
    skipUrlSync: false,
  });
  return [
    {
      type: 'datasource',
      name: 'datasource',
      label: 'Data source',
      query: 'prometheus',
      options: [],
      includeAll: false,
      multi: false,
      refresh: 1,
      regex: '',
      hide: 0,
      skipUrlSync: false,
    },
    labelValues('job', 'Job', ''),
    labelValues('instance', 'Instance', '{job=~"$job"}'),
  ];
}

/** @returns a function that places panels in the grid from left to right, row by row */
function placer(): (width: number, height: number) => Position {
  let [x, y] = [0, 0];
  let rowHeight = 0;
  return (w, h) => {
    if (x + w > COLUMNS) {
      y += rowHeight;
      [x, rowHeight] = [0, 0];
    }
    const position = { h, w, x, y };
    x += w;
    rowHeight = Math.max(rowHeight, h);
    return position;
  };
}

function layOut(place: ReturnType<typeof placer>): (row: Row) => object[] {
  return ({ title, panels }) => [
    { type: 'row', title, collapsed: false, gridPos: place(COLUMNS, 1), panels: [] },
    ...panels.map((panel) => ({
      title: panel.title,
      description: panel.about,
      datasource: DATASOURCE,
      gridPos: place(panel.width ?? DEFAULT_WIDTH, PANEL_HEIGHT),
      targets: targetsOf(panel),
      ...chartOf(panel),
    })),
  ];
}

function targetsOf({ queries, kind }: Panel): object[] {
  return queries.map(({ expr, legend }, index) => ({
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    datasource: DATASOURCE,
    editorMode: 'code',
    expr,
    legendFormat: legend,
    format: kind === 'heatmap' ? 'heatmap' : 'time_series',
    range: kind !== 'stat',
    instant: kind === 'stat',
  }));
}

function numbered(panels: readonly object[]): object[] {
  return panels.map((panel, index) => ({ id: index + 1, ...panel }));
}
