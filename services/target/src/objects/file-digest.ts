import { Failure } from '@forebay/base/failure'
import { createDigester } from '@forebay/base/hash/digester'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import { diskGateOf } from '../os/disk-gate.ts'
import { readAt } from '../os/file-io.ts'

/** Unit of reads that only hash, bytes. */
const SLICE_BYTES = 1024 ** 2

/**
 * Digests of `sizeBytes` of a file, from its beginning or an offset on, read off the event loop.
 *
 * @throws Failure `object-corrupt` when the file is shorter, `disk-error`, `slow-down` when too many
 *   wait for the disk
 */
export async function digestFile(
  { fd, offset: start = 0 }: { readonly fd: number; readonly offset?: number },
  sizeBytes: number,
  algorithms: readonly ChecksumAlgorithm[],
): Promise<ReadonlyMap<ChecksumAlgorithm, string>> {
  const gate = diskGateOf(fd)
  const digester = createDigester(algorithms, { expectedBytes: sizeBytes })
  try {
    for (let offset = 0; offset < sizeBytes; ) {
      const buffer = Buffer.allocUnsafe(Math.min(SLICE_BYTES, sizeBytes - offset))
      const bytesRead = await gate.run(() => readAt(fd, buffer, start + offset))
      if (bytesRead === 0)
        throw new Failure('object-corrupt', `a file ends at ${offset} of ${sizeBytes} bytes`)
      await digester.update(buffer.subarray(0, bytesRead))
      offset += bytesRead
    }
    return await digester.digest()
  } catch (error) {
    digester.abandon()
    throw error
  }
}
