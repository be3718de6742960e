/** HTML and SVG as text. `escapeText` makes text from outside safe. */

export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

type Attributes = Readonly<Record<string, string | number>>;

/**
 * An element; attribute values are escaped, numbers rounded to two digits.
 * @param children markup, already escaped
 */
export function tag(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === 'number' ? shortNumber(value) : escapeText(value);
    return ` ${key}="${text}"`;
  });
  return `<${name}${written.join('')}>${children.join('')}</${name}>`;
}

/** Text that browsers show while the pointer rests on the element. */
export function tooltip(text: string): string {
  return tag('title', {}, escapeText(text));
}

function shortNumber(value: number): string {
  return String(Math.round(value * 100) / 100);
}
