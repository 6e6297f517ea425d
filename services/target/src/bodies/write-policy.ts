import { fstatSync, readFileSync } from 'node:fs'
import { type Clock, systemClock } from '@forebay/base/clock'

/** A write that took longer means that the disk throttles writers, milliseconds. */
export const WRITE_SLOW_MS = 20

/** For so long after a slow write the event loop does not write itself, milliseconds. */
export const WRITE_COOL_DOWN_MS = 5000

/** How old the picture of the system's dirty pages may be, milliseconds; reading it takes 40 us. */
export const DIRTY_SAMPLE_MS = 200

/** Share of the system's background threshold of dirty pages up to which writing cannot block. */
export const DIRTY_SHARE_MAX = 0.5

/** Bytes written between two looks where the system shows no dirty pages. */
export const UNSEEN_BYTES_MAX = 64 * 1024 ** 2

/** The system's dirty pages, in bytes. */
export interface DirtyPages {
  readonly dirtyBytes: number
  /** From here on the system writes back; throttling of writers begins higher still. */
  readonly thresholdBytes: number
}

export interface WritePolicyOptions {
  readonly clock?: Clock
  /** undefined = the system does not say. */
  readonly readDirtyPages?: () => DirtyPages | undefined
}

/**
 * Decides whether the event loop may write to a disk itself. That is a third cheaper than a thread of
 * the pool, and harmless while a write is a copy into the page cache; once writers are throttled it
 * would stop everything.
 */
export class WritePolicy {
  readonly #clock: Clock
  readonly #readDirtyPages: () => DirtyPages | undefined
  #sampledMs = Number.NEGATIVE_INFINITY
  #roomBytes = 0
  #slowUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: WritePolicyOptions = {}) {
    this.#clock = options.clock ?? systemClock
    this.#readDirtyPages = options.readDirtyPages ?? readVmstat
  }

  /** Whether `lengthBytes` may be written on the event loop now. */
  mayBlock(lengthBytes: number): boolean {
    const now = this.#clock.monotonic()
    if (now < this.#slowUntilMs) return false
    if (now - this.#sampledMs >= DIRTY_SAMPLE_MS) {
      this.#sampledMs = now
      const pages = this.#readDirtyPages()
      this.#roomBytes =
        pages === undefined
          ? UNSEEN_BYTES_MAX
          : pages.thresholdBytes * DIRTY_SHARE_MAX - pages.dirtyBytes
    }
    return this.#roomBytes >= lengthBytes
  }

  /** Notes what a write on the event loop cost. */
  note(lengthBytes: number, elapsedMs: number): void {
    this.#roomBytes -= lengthBytes
    if (elapsedMs > WRITE_SLOW_MS) {
      this.#slowUntilMs = this.#clock.monotonic() + WRITE_COOL_DOWN_MS
    }
  }
}

const policies = new Map<number, WritePolicy>()

/** The policy of the disk that a descriptor's file is on. */
export function writePolicyOf(fd: number): WritePolicy {
  const { dev } = fstatSync(fd)
  let policy = policies.get(dev)
  if (policy === undefined) {
    policy = new WritePolicy()
    policies.set(dev, policy)
  }
  return policy
}

/** The figures of /proc/vmstat, which are in pages; undefined where there is none. */
export function parseVmstat(text: string): DirtyPages | undefined {
  const pages = (name: string): number | undefined => {
    const digits = new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]
    return digits === undefined ? undefined : Number(digits)
  }
  const dirty = pages('nr_dirty')
  const threshold = pages('nr_dirty_background_threshold')
  if (dirty === undefined || threshold === undefined) return undefined
  const written = pages('nr_writeback') ?? 0
  return { dirtyBytes: (dirty + written) * PAGE_BYTES, thresholdBytes: threshold * PAGE_BYTES }
}

/** Larger pages only make the policy more careful than it must be. */
const PAGE_BYTES = 4096

function readVmstat(): DirtyPages | undefined {
  try {
    return parseVmstat(readFileSync('/proc/vmstat', 'latin1'))
  } catch {
    // Not Linux, or hidden: the policy then goes by the time that writes take.
    return undefined
  }
}
