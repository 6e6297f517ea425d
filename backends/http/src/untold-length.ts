import type { BackendBody, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import type { WireAnswer } from '@forebay/backend-transport/exchange'
import { Failure } from '@forebay/base/failure'
import { attributesOf } from './answer-headers.ts'

/**
 * Longest object whose length the server does not tell, bytes. Such a body is taken in before it is
 * handed on, because nobody could be told its length otherwise.
 */
export const UNTOLD_BYTES_MAX = 1024 ** 2

type Found = Extract<ReadResult, { kind: 'found' }>

/**
 * The same result with its length, after all bytes have come.
 *
 * @throws Failure `backend-refused` when there are more than `UNTOLD_BYTES_MAX`
 */
export async function withLength(
  found: Found,
  answer: WireAnswer,
  read: { readonly options: ReadOptions; readonly what: string },
): Promise<ReadResult> {
  const { options, what } = read
  const bytes = await readBytes(found.body, UNTOLD_BYTES_MAX, () => tooLong(what))
  const sizeBytes = bytes.length
  const { pin, pinnedSizeBytes } = options
  const pinned = pin !== undefined && pin.kind !== 'none' && pinnedSizeBytes !== undefined
  if (pinned && pinnedSizeBytes !== sizeBytes) return { kind: 'changed' }
  return {
    kind: 'found',
    attributes: attributesOf(answer.headers, sizeBytes),
    range: { offset: 0, lengthBytes: sizeBytes },
    sizeBytes,
    body: heldBody(bytes, options.signal),
  }
}

/** Bytes of a body whose length nobody told; they are counted and dropped. */
export async function countBytes(body: BackendBody, what: string): Promise<number> {
  let lengthBytes = 0
  await body.pump((chunk) => {
    lengthBytes += chunk.length
    if (lengthBytes > UNTOLD_BYTES_MAX) throw tooLong(what)
  })
  return lengthBytes
}

/** All bytes of a body; `tooLong` is thrown, and the connection ended, when there are more than `bytesMax`. */
export async function readBytes(
  body: BackendBody,
  bytesMax: number,
  tooLong: () => Failure,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let lengthBytes = 0
  await body.pump((chunk) => {
    lengthBytes += chunk.length
    if (lengthBytes > bytesMax) throw tooLong()
    // The chunk is the connection's own.
    chunks.push(Buffer.from(chunk))
  })
  return Buffer.concat(chunks)
}

function tooLong(what: string): Failure {
  const message = `${what}: the server does not say how long the object is, and it is over ${UNTOLD_BYTES_MAX} bytes`
  return new Failure('backend-refused', message)
}

function heldBody(bytes: Buffer, signal: AbortSignal): BackendBody {
  return {
    lengthBytes: bytes.length,
    async pump(write) {
      signal.throwIfAborted()
      if (bytes.length > 0) await write(bytes)
      signal.throwIfAborted()
    },
    discard: () => undefined,
  }
}
