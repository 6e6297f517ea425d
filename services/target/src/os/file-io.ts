import { read, writev } from 'node:fs'
import { promisify } from 'node:util'
import { Failure } from '@forebay/base/failure'
import { diskFailure } from './disk-gate.ts'

const readAsync = promisify(read)
const writevAsync = promisify(writev)

/**
 * Reads from `position` on, off the event loop, as much of `into` as the system gives at once.
 *
 * @returns 0 at the end of the file
 * @throws Failure `disk-error`
 */
export async function readAt(fd: number, into: Buffer, position: number): Promise<number> {
  try {
    return (await readAsync(fd, into, 0, into.length, position)).bytesRead
  } catch (error) {
    throw diskFailure(error, 'reading a file failed')
  }
}

/**
 * Writes all bytes from `at` on, off the event loop. On a failure some of them may be in the file.
 *
 * @throws Failure `disk-error` | `out-of-space`
 */
export async function writeFully(
  fd: number,
  buffers: readonly Buffer[],
  at: number,
): Promise<void> {
  const wanted = buffers.reduce((sum, { length }) => sum + length, 0)
  try {
    const { bytesWritten } = await writevAsync(fd, buffers, at)
    if (bytesWritten === wanted) return
    // A full disk ends a write early: the rest, in one piece, either fits or gives the error.
    let rest = Buffer.concat(buffers).subarray(bytesWritten)
    let position = at + bytesWritten
    while (rest.length > 0) {
      const written = (await writevAsync(fd, [rest], position)).bytesWritten
      if (written === 0) throw new Failure('disk-error', 'the system writes nothing to a file')
      rest = rest.subarray(written)
      position += written
    }
  } catch (error) {
    throw diskFailure(error, 'writing a file failed')
  }
}
