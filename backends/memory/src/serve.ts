import { setImmediate } from 'node:timers/promises'
import type { UploadBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { FaultAction, Operation } from './faults.ts'
import type { Place } from './memory-backend.ts'

/** One request on its way through the store. */
export interface Request {
  readonly operation: Operation
  readonly key: string | undefined
  readonly signal: AbortSignal
  readonly range?: { readonly offset: number; readonly lengthBytes: number } | undefined
  readonly upload?: UploadBody | undefined
}

/**
 * Runs one request: counts it, plays its faults, takes its body in, then applies it in one
 * synchronous step.
 *
 * @param apply what the request does; gets the faults and the body that came
 */
export async function serve<T>(
  place: Place,
  request: Request,
  apply: (faults: readonly FaultAction[], bytes: Buffer) => T,
): Promise<T> {
  const { store, bucket } = place
  const { operation, key, signal, range } = request
  signal.throwIfAborted()
  const faults = store.admit({ operation, bucket, key, range })
  await setImmediate()
  await begin(place, faults, signal)
  const bytes = await takeBody(place, request, faults)
  await actAt('commit', faults)
  signal.throwIfAborted()
  const result = apply(faults, bytes)
  await actAt('answer', faults)
  if (faults.some((fault) => fault.kind === 'drop-answer')) {
    throw new Failure(
      'backend-unreachable',
      `the connection broke before the answer to ${operation}`,
    )
  }
  signal.throwIfAborted()
  return result
}

async function begin(
  place: Place,
  faults: readonly FaultAction[],
  signal: AbortSignal,
): Promise<void> {
  await actAt('start', faults)
  for (const fault of faults) {
    if (fault.kind === 'delay') await place.store.clock.sleep(fault.ms, signal)
    if (fault.kind === 'hang') await untilAborted(signal)
    if (fault.kind === 'refuse') {
      const { code, retryAfterSeconds } = fault
      throw new Failure(code, `the store refused: ${code}`, {
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      })
    }
  }
  signal.throwIfAborted()
}

async function actAt(
  point: 'start' | 'commit' | 'answer',
  faults: readonly FaultAction[],
): Promise<void> {
  for (const fault of faults) {
    if (fault.kind === 'at' && fault.point === point) await fault.act()
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** The whole body of an upload; nothing is applied when it is cut, short or long. */
async function takeBody(
  place: Place,
  request: Request,
  faults: readonly FaultAction[],
): Promise<Buffer> {
  const { upload, signal } = request
  if (upload === undefined) return Buffer.alloc(0)
  if (upload.lengthBytes > place.capabilities.putBytesMax) {
    throw new Failure('entity-too-large', `a body of ${upload.lengthBytes} bytes is too large`)
  }
  const cut = faults.find((fault) => fault.kind === 'cut-body')
  const throttle = faults.find((fault) => fault.kind === 'throttle')
  const chunks: Buffer[] = []
  let received = 0
  for await (const chunk of upload.chunks()) {
    signal.throwIfAborted()
    if (throttle !== undefined) {
      await place.store.clock.sleep((chunk.length / throttle.bytesPerSecond) * 1000, signal)
    }
    // The buffer is the producer's again after this turn.
    chunks.push(Buffer.from(chunk))
    received += chunk.length
    place.store.bytesWritten += chunk.length
    if (cut !== undefined && received >= cut.afterBytes) break
  }
  signal.throwIfAborted()
  if (cut !== undefined) {
    throw new Failure(
      'backend-unreachable',
      `the connection broke after ${received} bytes of upload`,
    )
  }
  if (received !== upload.lengthBytes) {
    const message = `the body has ${received} bytes, ${upload.lengthBytes} were announced`
    throw new Failure('body-incomplete', message)
  }
  return Buffer.concat(chunks)
}
