import { statedAnswer } from './final-answer.ts';
import { type Quantity, quantitiesIn, soleQuantity } from './quantity.ts';

/** Relative tolerance for rounding. */
const NOISE = 1e-6;
/** ChartQA's tolerance, relative to the label. */
const RELAXED = 0.05;

/** The number that a reply gives: the first of its stated answer, else the last of the text; null without one. */
export function extractQuantity(reply: string): Quantity | null {
  const stated = statedAnswer(reply);
  const first = stated === null ? undefined : quantitiesIn(stated)[0];
  return first ?? quantitiesIn(reply).at(-1) ?? null;
}

/**
 * Whether two quantities are equal, after unit conversion when both have a unit. A number that rounds to a label with
 * decimals is equal to it.
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

/** Whether a quantity lies within 5 % of the label (ChartQA's relaxed accuracy). A label of 0 must be met exactly. */
export function isRelaxedQuantity(said: Quantity, label: Quantity): boolean {
  return readings(said, label).some(([value, wanted]) => isClose(value, wanted, RELAXED));
}

export function quantityOf(label: string): Quantity | null {
  return soleQuantity(label);
}

/**
 * The pairs of values to compare. When only one quantity has a unit, the bare numbers are compared; a percentage also
 * counts as a share. Units of different dimensions give no pair.
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
