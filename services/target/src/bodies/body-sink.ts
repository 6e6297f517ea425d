import { DIRECT_ALIGNMENT_BYTES, openDirect } from '../os/direct-file.ts'
import { DirectSink } from './direct-sink.ts'
import { FileSink, type FileSinkOptions } from './file-sink.ts'
import { rings as processRings, type Rings } from './rings.ts'

/** Bodies from this size on are written past the page cache, bytes. */
export const DIRECT_BODY_BYTES_MIN = 1024 ** 2

/** Where a body goes: one owner, who calls `flush` or `settle`, and `close` at the end. */
export interface BodySink {
  /** Bytes that are in the file, from its offset on without a gap. */
  readonly writtenBytes: number
  /** Bytes that were taken. */
  readonly takenBytes: number
  /** True when bytes can be had from memory: what was taken last is there, written or not. */
  readonly holds: boolean
  /** True when `copyHeld` has a byte there. */
  isHeld(at: number): boolean
  /**
   * Takes a chunk, which must not change any more. A returned promise means: pause the source until
   * it has resolved.
   *
   * @throws Failure `out-of-space` | `disk-error` | `slow-down`, also that of an earlier chunk
   */
  write(chunk: Buffer): void | Promise<void>
  /** Copies bytes from `at` on that are still in memory; the number copied, 0 when there are none. */
  copyHeld(at: number, into: Buffer): number
  /** Resolves when everything taken is in the file. @throws as `write` */
  flush(): Promise<void>
  /** Forgets what was not written yet, and resolves when no write is under way. Never rejects. */
  settle(): Promise<void>
  /** Gives memory back; after `flush` or `settle` has ended, and once. */
  close(): void
}

export interface BodySinkOptions extends FileSinkOptions {
  /** How much is expected; undefined = unknown. Decides about the way. */
  readonly expectedBytes: number | undefined
  /** Bytes kept in memory, those on their way to the disk among them. */
  readonly ringBytes: number
  readonly rings?: Rings | undefined
}

/**
 * Large bodies go straight to the disk, from a ring of memory that is used again and again: their
 * pages would push out what is read often, and cost more than the writing. All others, and where the
 * disk or the memory does not allow it, go through the page cache.
 */
export function createBodySink(options: BodySinkOptions): BodySink {
  const { fd, expectedBytes, ringBytes, offset = 0, rings = processRings } = options
  if (expectedBytes === undefined || expectedBytes < DIRECT_BODY_BYTES_MIN) {
    return new FileSink(options)
  }
  if (offset % DIRECT_ALIGNMENT_BYTES !== 0) return new FileSink(options)
  const ring = rings.take(ringBytes)
  if (ring === undefined) return new FileSink(options)
  const directFd = openDirect(fd)
  if (directFd === undefined) {
    rings.give(ring)
    return new FileSink(options)
  }
  return new DirectSink({ ...options, directFd, ring, onClose: () => rings.give(ring) })
}
