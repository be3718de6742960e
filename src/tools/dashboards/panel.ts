/** One curve, or one family of curves. */
export interface Query {
  readonly expr: string;
  /** With {{label}} for what tells the curves apart. */
  readonly legend: string;
}

/** What a panel shows; how it looks follows from its kind. */
export interface Panel {
  readonly title: string;
  /** What to read from it. */
  readonly about: string;
  readonly kind?: 'graph' | 'stacked' | 'band' | 'stat' | 'heatmap';
  /** Grafana's name of the unit. */
  readonly unit: Unit;
  /** Of 24 columns. */
  readonly width?: number;
  readonly queries: readonly Query[];
}

export type Unit = 'short' | 'percentunit' | 's' | 'reqps' | 'cps' | 'bytes';

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly about: string;
  readonly rows: readonly Row[];
}
