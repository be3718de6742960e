import type { Panel } from './panel.ts';

/** The part of a panel's JSON that sets its look: plugin, field configuration and options. */
export function chartOf(panel: Panel): object {
  switch (panel.kind) {
    case 'stat':
      return statOf(panel);
    case 'heatmap':
      return heatmapOf(panel);
    default:
      return timeSeriesOf(panel);
  }
}

function timeSeriesOf({ kind, unit }: Panel): object {
  const isStacked = kind === 'stacked';
  return {
    type: 'timeseries',
    fieldConfig: {
      defaults: {
        unit,
        // A saving can be negative.
        ...(kind !== 'band' && { min: 0 }),
        ...(unit === 'percentunit' && { max: 1 }),
        color: { mode: 'palette-classic' },
        custom: {
          drawStyle: 'line',
          lineInterpolation: 'linear',
          lineWidth: 1,
          fillOpacity: isStacked ? 30 : 5,
          gradientMode: 'none',
          showPoints: 'never',
          spanNulls: false,
          stacking: { mode: isStacked ? 'normal' : 'none', group: 'A' },
        },
      },
      overrides: kind === 'band' ? bandOverrides() : [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}

/** Draws an interval: thin lines for its ends, the space between them filled, a thick line for the estimate. */
function bandOverrides(): object[] {
  const named = (name: string, properties: readonly object[]): object => ({
    matcher: { id: 'byName', options: name },
    properties,
  });
  return [
    named('estimate', [{ id: 'custom.lineWidth', value: 3 }]),
    named('upper', [
      { id: 'custom.fillBelowTo', value: 'lower' },
      { id: 'custom.fillOpacity', value: 20 },
    ]),
    named('lower', [{ id: 'custom.fillOpacity', value: 0 }]),
  ];
}

function statOf({ unit }: Panel): object {
  return {
    type: 'stat',
    fieldConfig: {
      defaults: { unit, color: { mode: 'fixed', fixedColor: 'text' } },
      overrides: [],
    },
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      colorMode: 'value',
      graphMode: 'none',
      justifyMode: 'auto',
      orientation: 'auto',
      textMode: 'auto',
      showPercentChange: false,
      percentChangeColorMode: 'standard',
      wideLayout: true,
    },
  };
}

function heatmapOf({ unit }: Panel): object {
  return {
    type: 'heatmap',
    fieldConfig: {
      defaults: { custom: { scaleDistribution: { type: 'linear' } } },
      overrides: [],
    },
    options: {
      // Prometheus has already made the buckets.
      calculate: false,
      cellGap: 1,
      color: {
        mode: 'scheme',
        scheme: 'Blues',
        steps: 64,
        exponent: 0.5,
        fill: 'blue',
        reverse: false,
      },
      exemplars: { color: 'rgba(255,0,255,0.7)' },
      filterValues: { le: 1e-9 },
      legend: { show: true },
      rowsFrame: { layout: 'auto' },
      showValue: 'never',
      tooltip: { mode: 'single', yHistogram: false, showColorScale: false },
      yAxis: { axisPlacement: 'left', reverse: false, unit },
    },
  };
}
