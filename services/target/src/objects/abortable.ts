/**
 * Waits for shared work as long as the signal lets it; the work itself goes on for the others.
 *
 * @throws the signal's reason, or the work's failure
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // One promise, and no race: this stands in the way of every cold read.
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason)
    signal.addEventListener('abort', leave)
    // Also of who left: no rejection is left that nobody handles.
    work.then(
      (result) => {
        signal.removeEventListener('abort', leave)
        resolve(result)
      },
      (error: unknown) => {
        signal.removeEventListener('abort', leave)
        reject(error)
      },
    )
    if (signal.aborted) leave()
  })
}
