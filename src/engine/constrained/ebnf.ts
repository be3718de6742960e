/** Text as a literal of xgrammar's EBNF. */
export function literal(text: string): string {
  return `"${Array.from(text, escaped).join('')}"`;
}

/** One character within a literal or a class. */
export function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (/^[A-Za-z0-9 _:;,.{}()<>/=!?@#%&*+$~|`']$/.test(character)) return character;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

export function either(alternatives: readonly string[]): string {
  return alternatives.length === 1 ? (alternatives[0] ?? '""') : `(${alternatives.join(' | ')})`;
}

/** @param most undefined for no limit */
export function repeated(what: string, least: number, most: number | undefined): string {
  if (most === 0) return '""';
  if (most === undefined) return least === 0 ? `${what}*` : `${what}{${least},}`;
  return `${what}{${least},${most}}`;
}
