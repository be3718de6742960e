/**
 * EBNF of the text between the quotes, for the formats that can be enforced. What they let through is valid by the
 * format's definition; not everything valid is let through (29 February is not, nor are quoted mail addresses).
 */
const DATE =
  '([0-9]{4} "-" ((("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])) | (("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30")) | ("02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))))';
const CLOCK = '("0" [0-9] | "1" [0-9] | "2" [0-3]) ":" [0-5] [0-9]';
const TIME = `(${CLOCK} ":" [0-5] [0-9] ("" | "." [0-9]{1,6}) ("Z" | [+\\-] ${CLOCK}))`;
const BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])';
const LABEL = '([a-z0-9]+ ("" | "-" [a-z0-9]+))';
const HOST = `(${LABEL} ("." ${LABEL}){0,3} "." [a-z]{2,10})`;

export const STRING_FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `(${DATE} "T" ${TIME})`,
  uuid: '([0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12})',
  ipv4: `(${BYTE} "." ${BYTE} "." ${BYTE} "." ${BYTE})`,
  hostname: HOST,
  email: `([A-Za-z0-9]+ ([._+\\-] [A-Za-z0-9]+){0,3} "@" ${HOST})`,
  uri: `("http" ("" | "s") "://" ${HOST} ("" | "/" [A-Za-z0-9._~/\\-]*))`,
};
