/** One measurement. A phase is a process that prints samples as lines of JSON. */
export interface Sample {
  /** Row of the table, such as `decode@8`. */
  readonly what: string;
  /** Column of the table, such as `webgpu int4`. */
  readonly column: string;
  readonly value: number;
  readonly unit: string;
  /** Further facts; they stand in the results file only. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

export function emit(sample: Sample): void {
  process.stdout.write(`${JSON.stringify(sample)}\n`);
}

/** @returns undefined for a line that is not a sample */
export function parseSample(line: string): Sample | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: Partial<Sample> = JSON.parse(line);
    const { what, column, unit } = value;
    if (what === undefined || column === undefined || unit === undefined) return undefined;
    return { ...value, what, column, unit, value: Number(value.value) };
  } catch {
    return undefined;
  }
}

/** Returns the one argument of a phase's process. */
export function jobArgument<Job>(): Job {
  return JSON.parse(process.argv[2] ?? '{}') as Job;
}
