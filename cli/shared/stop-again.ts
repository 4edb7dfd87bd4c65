/** The event of a command's signal at a second Ctrl-C. When its listeners return, the process ends at once. */
export const STOP_AGAIN = 'stop-again';

/** Calls `tell` at a second Ctrl-C, which it has to do without waiting for anything. @returns ends this */
export function atSecondStop(signal: AbortSignal, tell: () => void): () => void {
  signal.addEventListener(STOP_AGAIN, tell, { once: true });
  return () => signal.removeEventListener(STOP_AGAIN, tell);
}
