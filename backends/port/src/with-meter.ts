import type { Clock } from '@forebay/base/clock'
import { type FailureCode, isFailure } from '@forebay/base/failure'
import type { Backend, UploadBody } from './backend.ts'
import { type BackendOperation, intercept, watchResult } from './intercept.ts'

/** One request to the backend, after its end. */
export interface MeteredRequest {
  readonly operation: BackendOperation
  /** `ok`, the kind of a read's or HEAD's answer, the code of a failure, or `aborted`. */
  readonly outcome:
    | 'ok'
    | 'found'
    | 'not-modified'
    | 'absent'
    | 'changed'
    | 'aborted'
    | 'error'
    | FailureCode
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Until the answer, of a read until its body ended. */
  readonly durationMs: number
}

/** Tells `observe` of every request, once, when it ended; `observe` must not throw. */
export function withMeter(
  backend: Backend,
  options: { readonly clock: Clock; observe(request: MeteredRequest): void },
): Backend {
  const { clock, observe } = options
  return intercept(backend, {
    async run(step, run) {
      const startedMs = clock.monotonic()
      const counted = { bytes: 0 }
      const upload = step.upload && countUpload(step.upload, counted)
      const report = (outcome: MeteredRequest['outcome']): void =>
        observe({
          operation: step.operation,
          outcome,
          bytesRead: 0,
          bytesWritten: counted.bytes,
          durationMs: clock.monotonic() - startedMs,
        })
      try {
        const result = await run({ signal: step.signal, upload })
        report('ok')
        return result
      } catch (error) {
        report(outcomeOf(error, step.signal))
        throw error
      }
    },
    async read(step, run) {
      const startedMs = clock.monotonic()
      let bytesRead = 0
      const report = (outcome: MeteredRequest['outcome']): void =>
        observe({
          operation: 'read',
          outcome,
          bytesRead,
          bytesWritten: 0,
          durationMs: clock.monotonic() - startedMs,
        })
      try {
        const result = await run(step)
        if (result.kind !== 'found') report(result.kind)
        return watchResult(result, {
          onChunk: (length) => {
            bytesRead += length
          },
          onEnd: (error) => report(error === undefined ? 'found' : outcomeOf(error, step.signal)),
        })
      } catch (error) {
        report(outcomeOf(error, step.signal))
        throw error
      }
    },
  })
}

function outcomeOf(error: unknown, signal: AbortSignal): MeteredRequest['outcome'] {
  if (isFailure(error)) return error.code
  return signal.aborted ? 'aborted' : 'error'
}

function countUpload(upload: UploadBody, counted: { bytes: number }): UploadBody {
  return {
    lengthBytes: upload.lengthBytes,
    repeatable: upload.repeatable,
    async *chunks() {
      for await (const chunk of upload.chunks()) {
        counted.bytes += chunk.length
        yield chunk
      }
    },
  }
}
