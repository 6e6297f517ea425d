import { read, readSync, writev, writevSync } from 'node:fs'
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
    throw diskFailure(error, 'reading a file failed', fd)
  }
}

/**
 * Reads from `position` on, on the event loop: for bytes that are in memory.
 *
 * @returns at least one byte's worth
 * @throws Failure `object-corrupt` where the file has ended, `disk-error`
 */
export function readResident(fd: number, into: Buffer, position: number): number {
  try {
    const readBytes = readSync(fd, into, 0, into.length, position)
    if (readBytes === 0) throw endsEarly(position)
    return readBytes
  } catch (error) {
    throw diskFailure(error, 'reading an object failed', fd)
  }
}

/** Fills the whole of `into`. @throws as `readResident` */
export function readResidentFully(fd: number, into: Buffer, position: number): void {
  for (let filled = 0; filled < into.length; ) {
    const rest = filled === 0 ? into : into.subarray(filled)
    filled += readResident(fd, rest, position + filled)
  }
}

/** What a file means that has fewer bytes than the object. */
export function endsEarly(position: number): Failure {
  return new Failure('object-corrupt', `the file of an object ends early, at byte ${position}`)
}

/**
 * Writes from `position` on, off the event loop, as much as the system takes at once.
 *
 * @throws the system's error
 */
export async function writeSome(
  fd: number,
  buffers: readonly Buffer[],
  position: number,
): Promise<number> {
  return (await writevAsync(fd, buffers, position)).bytesWritten
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
  const wanted = lengthOf(buffers)
  try {
    let written = await writeSome(fd, buffers, at)
    // A full disk ends a write early: the rest, in one piece, either fits or gives the error.
    while (written < wanted) {
      const more = await writeSome(fd, restOf(buffers, written), at + written)
      if (more === 0) throw writesNothing()
      written += more
    }
  } catch (error) {
    throw diskFailure(error, 'writing a file failed', fd)
  }
}

/** The same on the event loop: for what cannot block. */
export function writeFullyNow(fd: number, buffers: readonly Buffer[], at: number): void {
  const wanted = lengthOf(buffers)
  try {
    let written = writevSync(fd, buffers, at)
    while (written < wanted) {
      const more = writevSync(fd, restOf(buffers, written), at + written)
      if (more === 0) throw writesNothing()
      written += more
    }
  } catch (error) {
    throw diskFailure(error, 'writing a file failed', fd)
  }
}

function lengthOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0)
}

function restOf(buffers: readonly Buffer[], written: number): readonly Buffer[] {
  return [Buffer.concat(buffers).subarray(written)]
}

function writesNothing(): Failure {
  return new Failure('disk-error', 'the system writes nothing to a file')
}
