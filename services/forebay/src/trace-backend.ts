import type { Backend } from '@forebay/backend-port/backend'
import { intercept, watchBody } from '@forebay/backend-port/intercept'
import { isFailure } from '@forebay/base/failure'
import type { OriginSpan, Tracing } from '@forebay/observe/tracing'

/**
 * The backend with a span around each request that a traced request needs, if there are traces: from
 * before it waits for its turn until its answer, of a read until the end of its body. The trace is not passed on: a
 * store is not ours, and the header would have to be signed.
 */
export function traceBackend(backend: Backend, tracing: Tracing | undefined): Backend {
  if (tracing === undefined) return backend
  return intercept(backend, {
    async run(step, run) {
      const span = tracing.origin({ backend: backend.name, operation: step.operation })
      if (span === undefined) return run(step)
      try {
        const result = await span.run(() => run(step))
        span.end({ outcome: 'ok', failed: false })
        return result
      } catch (error) {
        endFailed(span, error, step.signal)
        throw error
      }
    },
    async read(step, run) {
      const span = tracing.origin({ backend: backend.name, operation: 'read' })
      if (span === undefined) return run(step)
      try {
        const result = await span.run(() => run(step))
        if (result.kind !== 'found') {
          span.end({ outcome: result.kind, failed: false })
          return result
        }
        let bytesRead = 0
        const body = watchBody(result.body, {
          onChunk: (length) => {
            bytesRead += length
          },
          onEnd: (error) => {
            if (error === undefined) span.end({ outcome: 'found', failed: false, bytesRead })
            else endFailed(span, error, step.signal)
          },
        })
        return { ...result, body }
      } catch (error) {
        endFailed(span, error, step.signal)
        throw error
      }
    },
  })
}

/** An answer of the store that says no is no fault of it, and neither is a reader that left. */
function endFailed(span: OriginSpan, error: unknown, signal: AbortSignal): void {
  if (isFailure(error)) span.end({ outcome: error.code, failed: error.status >= 500 })
  else if (signal.aborted) span.end({ outcome: 'aborted', failed: false })
  else span.end({ outcome: 'internal', failed: true })
}
