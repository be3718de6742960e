/**
 * Sets one member of the object a JSON text holds, and leaves every other byte as it is: parsing and writing anew
 * would change the form of numbers, escapes and line breaks.
 * @param text a valid JSON object, indented by two spaces where it is indented
 */
export function setJsonMember(text: string, name: string, value: unknown): string {
  const members = topMembers(text);
  const isIndented = text.includes('\n');
  const written = isIndented
    ? JSON.stringify(value, null, 2).replaceAll('\n', '\n  ')
    : JSON.stringify(value);
  const found = members.find(({ key }) => key === name);
  if (found !== undefined) return text.slice(0, found.start) + written + text.slice(found.end);
  const last = members.at(-1);
  const at = last?.end ?? text.indexOf('{') + 1;
  const comma = last === undefined ? '' : ',';
  const gap = isIndented ? '\n  ' : '';
  const colon = isIndented ? ': ' : ':';
  const member = `${comma}${gap}${JSON.stringify(name)}${colon}${written}`;
  return text.slice(0, at) + member + text.slice(at);
}

const DEPTH_CHANGE = new Map([
  ['{', 1],
  ['[', 1],
  ['}', -1],
  [']', -1],
]);

interface Member {
  readonly key: string;
  /** Where the value begins and ends. */
  readonly start: number;
  readonly end: number;
}

/** A string, a bracket, a comma or colon, or anything else that is no white space. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

function topMembers(text: string): Member[] {
  const pieces = [...topPieces(text)];
  return pieces.flatMap((piece, index): Member[] => {
    const value = pieces[index + 1];
    if (index % 2 === 1 || value === undefined) return [];
    return [{ key: String(JSON.parse(text.slice(piece.start, piece.end))), ...value }];
  });
}

/** Keys and values of the outermost object in turn; nested values in one piece. */
function* topPieces(text: string): Generator<{ readonly start: number; readonly end: number }> {
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    depth += DEPTH_CHANGE.get(token) ?? 0;
    const isOpening = DEPTH_CHANGE.get(token) === 1;
    if (depth - Number(isOpening) === 1 && token !== ',' && token !== ':') {
      if (!DEPTH_CHANGE.has(token) || isOpening) start = index;
      if (!isOpening) yield { start, end: index + token.length };
    }
  }
}
