import type { BackendBody, UploadBody } from '@forebay/backend-port/backend'

/** The bytes of an answer as a body to upload; one chunk is under way at a time. */
export function relayBody(body: BackendBody, lengthBytes: number): UploadBody {
  return { lengthBytes, repeatable: false, chunks: () => chunksOf(body) }
}

async function* chunksOf(body: BackendBody): AsyncGenerator<Buffer> {
  let arrival = Promise.withResolvers<Buffer | undefined>()
  let taken = Promise.withResolvers<void>()
  const pumping = body.pump((chunk) => {
    taken = Promise.withResolvers<void>()
    arrival.resolve(chunk)
    return taken.promise
  })
  pumping.then(
    () => arrival.resolve(undefined),
    (error: unknown) => {
      // Nobody waits for it any more when the upload ended before.
      arrival.promise.catch(() => undefined)
      arrival.reject(error)
    },
  )
  try {
    for (;;) {
      const chunk = await arrival.promise
      if (chunk === undefined) return
      arrival = Promise.withResolvers<Buffer | undefined>()
      yield chunk
      taken.resolve()
    }
  } finally {
    body.discard()
  }
}
