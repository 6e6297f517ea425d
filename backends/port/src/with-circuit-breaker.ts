import type { Backend } from './backend.ts'
import type { Circuit } from './circuit.ts'
import { type BackendOperation, intercept, type Run, type Step } from './intercept.ts'

/** Requests that a store which is well may answer late: it takes bytes, or puts them together first. */
const LONG: ReadonlySet<BackendOperation> = new Set<BackendOperation>([
  'write',
  'write-part',
  'copy',
  'copy-part',
  'complete-upload',
])

/**
 * Tells the circuit how each request ends, a read by its head, and lets none through that it refuses.
 *
 * When it opens because the store is silent, questions for a version are given up at once: who asks has
 * a copy that may do. All else waits for its own deadline.
 */
export function withCircuitBreaker(backend: Backend, circuit: Circuit): Backend {
  const around = async <T>(step: Step, run: Run<T>): Promise<T> => {
    const cutter = step.operation === 'head' ? new AbortController() : undefined
    const passage = circuit.enter({
      answersSoon: !LONG.has(step.operation),
      cut: (reason) => cutter?.abort(reason),
    })
    try {
      const signal = cutter && AbortSignal.any([step.signal, cutter.signal])
      const result = await run(signal === undefined ? step : { signal, upload: step.upload })
      passage.end()
      return result
    } catch (error) {
      // Who left has not heard how it would have ended.
      passage.end(step.signal.aborted ? step.signal.reason : error)
      throw error
    }
  }
  return intercept(backend, { run: around, read: around })
}

/** Refuses what the circuit would refuse before it waits in a queue. */
export function withCircuitGate(backend: Backend, circuit: Circuit): Backend {
  const around = <T>(step: Step, run: Run<T>): Promise<T> => {
    try {
      circuit.refuseIfOpen()
    } catch (error) {
      return Promise.reject(error)
    }
    return run(step)
  }
  return intercept(backend, { run: around, read: around })
}
