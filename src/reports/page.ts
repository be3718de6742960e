import { escapeText, tag } from './markup.ts';

export interface Section {
  readonly title: string;
  /** One or two sentences on how to read the section. */
  readonly note?: string;
  /** Markup, already escaped. */
  readonly body: string;
}

/** Light or dark as the reader's system prefers. Colour-blind readers can tell blue, orange and green apart. */
const STYLE = `
:root { color-scheme: light dark; --back: #fff; --text: #1c2128; --soft: #59636e; --line: #d8dee4; --panel: #f6f8fa;
  --fast: #0969da; --auto: #c2410c; --think: #15803d; --other: #8250df; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --soft: #9198a1; --line: #30363d;
  --panel: #161b22; --fast: #58a6ff; --auto: #f0883e; --think: #3fb950; --other: #bc8cff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 78rem; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 .25rem; }
p { margin: .25rem 0 .75rem; color: var(--soft); max-width: 70ch; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(34rem, 100%), 1fr)); gap: 1.25rem; margin: 1.5rem 0;
  align-items: start; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.25rem; min-width: 0; }
section.wide { margin: 1.25rem 0; overflow-x: auto; }
svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { color: var(--soft); font-weight: 600; }
tr:last-child td { border-bottom: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.legend { display: flex; gap: 1rem; flex-wrap: wrap; font-size: .85rem; color: var(--soft); margin: .25rem 0 .5rem; }
.legend span::before { content: ''; display: inline-block; width: .7rem; height: .7rem; border-radius: 50%;
  margin-right: .35rem; background: var(--tone); }
.fast { --tone: var(--fast); } .auto { --tone: var(--auto); } .think { --tone: var(--think); } .other { --tone: var(--other); }
.plain { --tone: var(--soft); } .flipped { --tone: var(--auto); }
.band { fill: var(--panel); }
.grid { stroke: var(--line); stroke-width: 1; } .tick, .category { fill: var(--soft); font-size: 12px; }
.category { fill: var(--text); } .label { fill: var(--soft); font-size: 13px; }
.name { fill: var(--tone, var(--text)); font-size: 13px; font-weight: 600; paint-order: stroke; stroke: var(--back); stroke-width: 4px; }
.dot { fill: var(--tone, var(--text)); stroke: var(--back); stroke-width: 1.5; } .speck { fill: var(--soft); opacity: .45; }
.whisker { stroke: var(--tone, var(--text)); stroke-width: 1.6; opacity: .6; }
.bar { fill: var(--tone, var(--soft)); opacity: .85; }
.trace { fill: none; stroke: var(--tone, var(--soft)); stroke-width: 1.8; } .trace.plain { stroke-dasharray: 4 4; }
.rule { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 4; } .rule.strong { stroke: var(--text); }
`;

/** A complete HTML document that loads no other resource. */
export function page(content: {
  readonly title: string;
  readonly summary: string;
  readonly plots: readonly Section[];
  readonly sections: readonly Section[];
}): string {
  const title = escapeText(content.title);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}</title><style>${STYLE}</style></head><body>`,
    `<h1>${title}</h1>`,
    `<p>${escapeText(content.summary)}</p>`,
    tag('div', { class: 'plots' }, ...content.plots.map((section) => block(section, ''))),
    ...content.sections.map((section) => block(section, 'wide')),
    '</body></html>\n',
  ].join('\n');
}

function block({ title, note, body }: Section, style: string): string {
  const heading = tag('h2', {}, escapeText(title));
  const words = note === undefined ? '' : tag('p', {}, escapeText(note));
  return tag('section', style === '' ? {} : { class: style }, heading, words, body);
}

/** @param rows the first row is the header */
export function htmlTable(rows: readonly (readonly string[])[]): string {
  const [header = [], ...body] = rows;
  const cells = (name: string, row: readonly string[]): string =>
    tag('tr', {}, ...row.map((cell) => tag(name, {}, escapeText(cell))));
  return tag('table', {}, cells('th', header), ...body.map((row) => cells('td', row)));
}

export function htmlList(entries: readonly (readonly [name: string, value: string])[]): string {
  const rows = entries.map(
    ([name, value]) => tag('dt', {}, escapeText(name)) + tag('dd', {}, escapeText(value)),
  );
  return tag('dl', {}, ...rows);
}

export function legend(entries: readonly (readonly [style: string, name: string])[]): string {
  const spans = entries.map(([style, name]) => tag('span', { class: style }, escapeText(name)));
  return tag('div', { class: 'legend' }, ...spans);
}

/** CSS class of a mode's colour; profiles and unknown modes share one. */
export function modeStyle(mode: string): string {
  return ['fast', 'auto', 'think', 'plain'].includes(mode) ? mode : 'other';
}
