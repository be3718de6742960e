/** The error a run ends with when its signal was aborted. The signal's own reason is kept as the cause. */
export function abortError(signal: AbortSignal): DOMException {
  return new DOMException('The run was aborted.', { name: 'AbortError', cause: signal.reason });
}

/** @throws an AbortError when the signal is aborted already. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}
