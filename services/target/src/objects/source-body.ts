import { Failure } from '@forebay/base/failure'
import { PUMP_SLICE_BYTES } from '@forebay/base/limits'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import type { BodyVerdict, IncomingBody, ObjectBody } from '@forebay/peer/bodies'
import { readAt } from '../os/file-io.ts'

/** A body that can also be read inside the process, for copies. One of its methods, once. */
export interface SourceBody extends ObjectBody {
  /** Hands all bytes to `write`, in order, and closes the body. */
  pump(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void>
  /** Waits until all bytes are in a file of the cache, reads none, and closes; absent where none is. */
  arrive?(signal: AbortSignal): Promise<void>
}

/** Where a pump reads: how many bytes can be had from `offset` now, at least one. */
export interface PumpSource {
  readonly fd: number
  readonly offset: number
  waitFor(offset: number, signal: AbortSignal): number | Promise<number>
}

/** Adds `pump` to a body over a file. */
export function readable(body: ObjectBody, source: PumpSource): SourceBody {
  const { lengthBytes } = body
  return {
    lengthBytes,
    take: () => body.take(),
    sendAtOnce: (response, writeHead) => body.sendAtOnce?.(response, writeHead) ?? false,
    sendTo: (response) => body.sendTo(response),
    close: () => body.close(),
    pump: async (write, signal) => {
      try {
        await pumpFile({ ...source, lengthBytes }, write, signal)
      } finally {
        body.close()
      }
    },
    arrive: async (signal) => {
      const end = source.offset + lengthBytes
      try {
        for (let at = source.offset; at < end; ) at += await source.waitFor(at, signal)
      } finally {
        body.close()
      }
    },
  }
}

/** Hands the bytes of a file to `write`, in order; every chunk is a buffer of its own. */
export async function pumpFile(
  source: PumpSource & { readonly lengthBytes: number },
  write: (chunk: Buffer) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const end = source.offset + source.lengthBytes
  for (let offset = source.offset; offset < end; ) {
    signal.throwIfAborted()
    const there = await source.waitFor(offset, signal)
    const buffer = Buffer.allocUnsafe(Math.min(PUMP_SLICE_BYTES, there, end - offset))
    const bytesRead = await readAt(source.fd, buffer, offset)
    if (bytesRead === 0)
      throw new Failure('object-corrupt', `a file ends at byte ${offset} of ${end}`)
    await write(buffer.subarray(0, bytesRead))
    offset += bytesRead
  }
}

/** A body of ours as the body of a write: a copy between buckets. */
export function incomingFrom(
  source: SourceBody,
  digests: readonly ChecksumAlgorithm[],
): IncomingBody {
  return {
    lengthBytes: source.lengthBytes,
    digestsNeeded: digests,
    pump: (write, signal) => source.pump(write, signal),
    judge: (computed): BodyVerdict => ({
      checksums: digests.flatMap((algorithm) => {
        const hex = computed.get(algorithm)
        return hex === undefined ? [] : [{ algorithm, kind: 'whole' as const, hex }]
      }),
    }),
  }
}
