import type { BackendBody, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'

/**
 * Bytes before a range that are fetched in vain from a server that answers the whole to it. It happens
 * only until the server is known to do so.
 */
export const SKIP_BYTES_MAX = 64 * 1024 ** 2

type Found = Extract<ReadResult, { kind: 'found' }>

/**
 * The range that was asked for out of an answer that holds the whole object; any other answer as it is.
 *
 * @throws Failure `range-not-satisfiable` behind the end, `backend-refused` when too much lies before
 */
export function wantedPart(found: Found, options: ReadOptions, what: string): Found {
  const { range: wanted } = options
  const { sizeBytes, range } = found
  if (wanted === undefined || sizeBytes === undefined || range.lengthBytes !== sizeBytes)
    return found
  if (wanted.offset >= sizeBytes) {
    throw new Failure('range-not-satisfiable', `${what} has only ${sizeBytes} bytes`)
  }
  if (wanted.offset > SKIP_BYTES_MAX) {
    const message = `${what}: the server answers no ranges, and the wanted one begins at ${wanted.offset}`
    throw new Failure('backend-refused', message)
  }
  const lengthBytes = Math.min(wanted.lengthBytes, sizeBytes - wanted.offset)
  const part = { offset: wanted.offset, lengthBytes }
  const endsEarly = part.offset + lengthBytes < sizeBytes
  return { ...found, range: part, body: cutBody(found.body, part, endsEarly) }
}

function cutBody(
  body: BackendBody,
  part: { readonly offset: number; readonly lengthBytes: number },
  endsEarly: boolean,
): BackendBody {
  return {
    lengthBytes: part.lengthBytes,
    async pump(write) {
      let skipBytes = part.offset
      let leftBytes = part.lengthBytes
      try {
        await body.pump((chunk) => {
          const from = Math.min(skipBytes, chunk.length)
          const wanted = chunk.subarray(from, from + leftBytes)
          skipBytes -= from
          leftBytes -= wanted.length
          if (wanted.length === 0) return undefined
          const written = write(wanted)
          return leftBytes === 0 && endsEarly ? stopAfter(written) : written
        })
      } catch (error) {
        if (error !== ENOUGH) throw error
      }
    },
    discard: () => body.discard(),
  }
}

/** What follows the range is ended with its connection. */
async function stopAfter(written: void | Promise<void>): Promise<void> {
  await written
  throw ENOUGH
}

const ENOUGH = new Error('all bytes of the range have come')
