import type { Backend } from './backend.ts'
import type { Circuit } from './circuit.ts'
import { intercept, type Run, type Step } from './intercept.ts'

/** Tells the circuit how each request ends, a read by its head, and lets none through that it refuses. */
export function withCircuitBreaker(backend: Backend, circuit: Circuit): Backend {
  const around = async <T>(step: Step, run: Run<T>): Promise<T> => {
    const passage = circuit.enter()
    try {
      const result = await run(step)
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
  const around = async <T>(step: Step, run: Run<T>): Promise<T> => {
    circuit.refuseIfOpen()
    return run(step)
  }
  return intercept(backend, { run: around, read: around })
}
