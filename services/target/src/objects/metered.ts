import type { Backend, BackendBody } from '@forebay/backend-port/backend'
import { intercept } from '@forebay/backend-port/intercept'
import type { BucketRecord } from '@forebay/model/bucket'
import type { WarmRequest } from '@forebay/peer/target-port'
import { keyIdOf, type ObjectContext } from './context.ts'

/** How often it is looked whether somebody else reads what is held back, ms. */
const LOOK_MS = 200

/**
 * The same, but bodies of the object tell `request.moved` of their bytes, and wait for it while nobody
 * else reads the object. What it rejects holds nothing back: the fetch may be that of others by then.
 */
export function metered(context: ObjectContext, request: WarmRequest): ObjectContext {
  const { moved } = request
  if (moved === undefined) return context
  const meter = (bytes: number): Promise<void> | undefined => {
    if (request.signal.aborted) return undefined
    const next = moved(bytes)
    return next && untilShared(context, request, next)
  }
  return {
    ...context,
    backendOf: (bucket: BucketRecord) => meteredBackend(context.backendOf(bucket), meter),
  }
}

type Meter = (bytes: number) => Promise<void> | undefined

function meteredBackend(backend: Backend, meter: Meter): Backend {
  return intercept(backend, {
    run: (step, run) => run(step),
    read: async (step, run) => {
      const result = await run(step)
      return result.kind === 'found' ? { ...result, body: meteredBody(result.body, meter) } : result
    },
  })
}

function meteredBody(body: BackendBody, meter: Meter): BackendBody {
  return {
    lengthBytes: body.lengthBytes,
    pump: (write) =>
      body.pump((chunk) => {
        const written = write(chunk)
        const next = meter(chunk.length)
        if (written === undefined || next === undefined) return written ?? next
        return Promise.all([written, next]).then(() => undefined)
      }),
    discard: () => body.discard(),
  }
}

/** Until `next` comes, or somebody besides the one who warms reads the object. Never rejects. */
async function untilShared(
  { clock, fills }: ObjectContext,
  { bucket, key, signal }: WarmRequest,
  next: Promise<void>,
): Promise<void> {
  const over = new AbortController()
  const end = (): void => over.abort()
  next.then(end, end)
  const either = AbortSignal.any([signal, over.signal])
  while (!either.aborted) {
    if (fills.isShared(keyIdOf(bucket, key))) return
    await clock.sleep(LOOK_MS, either).catch(() => undefined)
  }
}
