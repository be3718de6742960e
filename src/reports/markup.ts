/** Builds HTML and SVG text; whatever came from outside is escaped. */

export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

type Attributes = Readonly<Record<string, string | number>>;

/** @param children markup, already escaped */
export function tag(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === 'number' ? shortNumber(value) : escapeText(value);
    return ` ${key}="${text}"`;
  });
  return `<${name}${written.join('')}>${children.join('')}</${name}>`;
}

/** Shown by browsers where the pointer rests. */
export function tooltip(text: string): string {
  return tag('title', {}, escapeText(text));
}

function shortNumber(value: number): string {
  return String(Math.round(value * 100) / 100);
}
