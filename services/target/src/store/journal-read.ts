import { Buffer } from 'node:buffer'
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { findFrame, type JournalEntry, readFrame } from './journal-format.ts'

/** Offsets in a segment stay below this; a position is `segment * POSITION_UNIT + offset`. */
export const POSITION_UNIT = 2 ** 32

/** A place in a journal; a larger one is later. */
export type JournalPosition = number

export interface SegmentFile {
  readonly number: number
  readonly path: string
}

export interface SegmentScan {
  /** Good bytes from the start: what lies behind them is a torn tail. */
  readonly goodBytes: number
  readonly fileBytes: number
  /** Runs of bytes that do not check and have good frames behind them. */
  readonly damaged: readonly { readonly offset: number; readonly length: number }[]
}

const SEGMENT_NAME = /^(\d{10})\.journal$/

/** The segments of a journal directory, oldest first. Other names are ignored. */
export function listSegments(directory: string): readonly SegmentFile[] {
  return readdirSync(directory)
    .flatMap((name) => {
      const match = SEGMENT_NAME.exec(name)
      return match === null ? [] : [{ number: Number(match[1]), path: join(directory, name) }]
    })
    .sort((a, b) => a.number - b.number)
}

export function segmentPath(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(10, '0')}.journal`)
}

/** Bytes read at a time; a frame larger than this makes the buffer grow. */
const READ_BYTES = 1024 ** 2

/**
 * Hands every good entry from `from` on to `visit`, in order.
 *
 * A frame that does not check ends the segment when no good frame follows (a crash tore it), and is
 * skipped and reported otherwise.
 */
export function scanSegment(
  segment: SegmentFile,
  from: number,
  visit: (entry: JournalEntry, position: JournalPosition, end: JournalPosition) => void,
): SegmentScan {
  const fd = openSync(segment.path, 'r')
  try {
    return new SegmentReader(fd, segment.number).scan(from, visit)
  } finally {
    closeSync(fd)
  }
}

class SegmentReader {
  readonly #fd: number
  readonly #base: number
  readonly #fileBytes: number
  #buffer = Buffer.alloc(0)
  /** File offset of the buffer's first byte. */
  #start = 0

  constructor(fd: number, number: number) {
    this.#fd = fd
    this.#base = number * POSITION_UNIT
    this.#fileBytes = fstatSync(fd).size
  }

  scan(
    from: number,
    visit: (entry: JournalEntry, position: number, end: number) => void,
  ): SegmentScan {
    const damaged: { offset: number; length: number }[] = []
    let at = Math.min(from, this.#fileBytes)
    let good = at
    this.#start = at
    while (at < this.#fileBytes) {
      const frame = this.#frame(at)
      if (frame.kind === 'entry') {
        if (good < at) damaged.push({ offset: good, length: at - good })
        const end = this.#start + frame.end
        visit(frame.entry, this.#base + at, this.#base + end)
        at = end
        good = end
        continue
      }
      const next = this.#next(at + 1)
      if (next < 0) break
      at = next
    }
    return { goodBytes: good, fileBytes: this.#fileBytes, damaged }
  }

  #frame(at: number): ReturnType<typeof readFrame> {
    let frame = readFrame(this.#buffer, at - this.#start)
    while (frame.kind === 'short' && this.#fill(at)) {
      frame = readFrame(this.#buffer, at - this.#start)
    }
    return frame
  }

  /** File offset of the next magic at or after `at`, or -1. */
  #next(at: number): number {
    let searched = at
    for (;;) {
      const found = findFrame(this.#buffer, searched - this.#start)
      if (found >= 0) return this.#start + found
      // The magic may straddle two reads: keep the last three bytes.
      searched = Math.max(searched, this.#start + this.#buffer.length - 3)
      if (!this.#fill(searched)) return -1
    }
  }

  /** Drops what lies before `keep` and reads more. @returns false at the end of the file */
  #fill(keep: number): boolean {
    const end = this.#start + this.#buffer.length
    if (end >= this.#fileBytes) return false
    const held = keep < end ? this.#buffer.subarray(keep - this.#start) : Buffer.alloc(0)
    const readAt = Math.max(keep, end)
    const more = Buffer.allocUnsafe(Math.max(READ_BYTES, held.length))
    const read = readSync(this.#fd, more, 0, more.length, readAt)
    if (read === 0) return false
    this.#buffer = Buffer.concat([held, more.subarray(0, read)])
    this.#start = keep < end ? keep : readAt
    return true
  }
}
