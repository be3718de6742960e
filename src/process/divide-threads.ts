/** Threads of each engine: as even as they come, none without one. */
export function divideThreads(numThreads: number, numEngines: number): readonly number[] {
  const each = Math.floor(numThreads / numEngines);
  const rest = numThreads % numEngines;
  return Array.from({ length: numEngines }, (_, index) =>
    Math.max(1, each + (index < rest ? 1 : 0)),
  );
}
