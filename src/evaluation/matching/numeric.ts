import { statedAnswer } from './final-answer.ts';
import { type Quantity, quantitiesIn, soleQuantity } from './quantity.ts';

/** Floating-point noise, relative. */
const NOISE = 1e-6;
/** ChartQA's allowance, relative to the label. */
const RELAXED = 0.05;

/** The number a reply settles on: the first of its stated answer, else the last of all; null without one. */
export function extractQuantity(reply: string): Quantity | null {
  const stated = statedAnswer(reply);
  const first = stated === null ? undefined : quantitiesIn(stated)[0];
  return first ?? quantitiesIn(reply).at(-1) ?? null;
}

/**
 * Whether two quantities are the same, with units converted where both have one. A label with decimals is met by what
 * rounds to it.
 */
export function isSameQuantity(said: Quantity, label: Quantity): boolean {
  return readings(said, label).some(([value, wanted]) => {
    if (isClose(value, wanted, NOISE)) return true;
    const { decimals } = label;
    if (decimals === null || decimals === 0 || said.unit?.factor !== label.unit?.factor)
      return false;
    return Number(value.toFixed(decimals)) === wanted;
  });
}

/** The same within 5 % of the label, as ChartQA's relaxed accuracy has it. A label of 0 must be met. */
export function isRelaxedQuantity(said: Quantity, label: Quantity): boolean {
  return readings(said, label).some(([value, wanted]) => isClose(value, wanted, RELAXED));
}

export function quantityOf(label: string): Quantity | null {
  return soleQuantity(label);
}

/**
 * The two values to compare. Where only one has a unit the numbers stand for themselves; a percentage may also be
 * meant as the share it is. No reading for units of different things.
 */
function readings(said: Quantity, label: Quantity): (readonly [value: number, wanted: number])[] {
  const bare = [said.value, label.value] as const;
  if (said.unit === null && label.unit === null) return [bare];
  if (said.unit !== null && label.unit !== null) {
    if (said.unit.dimension !== label.unit.dimension) return [];
    return said.unit.factor === label.unit.factor
      ? [bare]
      : [[said.value * said.unit.factor, label.value * label.unit.factor]];
  }
  const unit = said.unit ?? label.unit;
  if (unit?.dimension !== 'ratio') return [bare];
  const share = (quantity: Quantity): number => quantity.value * (quantity.unit?.factor ?? 1);
  return [bare, [share(said), share(label)]];
}

function isClose(value: number, wanted: number, tolerance: number): boolean {
  return Math.abs(value - wanted) <= tolerance * Math.abs(wanted);
}
