import { Worker } from 'node:worker_threads'

/**
 * Ends this process by SIGKILL when it is still there after `limitMs`, with a line on standard error.
 *
 * A thread of its own does it: what hangs may be the main thread, in a call that waits for a disk or
 * for a lock. Nothing is lost by that, since what was acknowledged is in the journals.
 */
export function guardEnd(limitMs: number): void {
  const guard = new Worker(new URL('./end-guard-thread.ts', import.meta.url), {
    name: 'forebay-end-guard',
    workerData: limitMs,
    execArgv: [],
  })
  // Without the thread the node closes all the same, unless something hangs.
  guard.on('error', () => undefined)
  guard.unref()
}
