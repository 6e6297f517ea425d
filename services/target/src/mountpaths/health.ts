import { sep } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { type DiskError, onDiskError } from '../os/disk-errors.ts'
import { diskGateOf } from '../os/disk-gate.ts'
import type { Drive, StoreObserver } from '../store/store-context.ts'
import type { MountpathRow } from './mountpath-table.ts'
import type { Mountpaths } from './mountpaths.ts'
import { lookAt, type ProbedMountpath, probe } from './probe.ts'

/** When a mountpath counts as failed, and when one that failed comes back. */
export interface HealthOptions {
  /** Errors of a disk within `errorWindowMs` after which it is probed. */
  readonly errorLimit: number
  readonly errorWindowMs: number
  /** How often every mountpath is looked at, and those that failed are tried. */
  readonly checkIntervalMs: number
  /** Longest time of one step of a probe. */
  readonly probeTimeoutMs: number
  /** A mountpath that failed is tried again after this; twice as long after each return within a day. */
  readonly returnAfterMs: number
  /** So often a day one comes back by itself; then only by order. */
  readonly returnsMax: number
}

export const HEALTH_DEFAULT: HealthOptions = {
  errorLimit: 10,
  errorWindowMs: 60_000,
  checkIntervalMs: 10_000,
  probeTimeoutMs: 10_000,
  returnAfterMs: 60_000,
  returnsMax: 3,
}

const DAY_MS = 24 * 60 * 60_000

/** Between the two probes that must fail, ms: a moment of a disk is not its end. */
const SECOND_PROBE_MS = 1000

/** So often a disk may fail its users and pass the probe, one such time soon after the other. */
const PASSES_MAX = 3

interface Watched {
  /** When errors came, of the monotonic clock, oldest first; at most `errorLimit`. */
  errorsAt: number[]
  /** When the probe passed although there were that many errors. */
  passedAt: number[]
  probing: boolean
  failing: string | undefined
}

/**
 * Watches the disks: counts their errors, looks at them now and then, and takes a mountpath out of
 * service whose probe fails twice. The node goes on with the others.
 */
export class MountpathHealth {
  readonly #mountpaths: Mountpaths
  readonly #options: HealthOptions
  readonly #clock: Clock
  readonly #observer: StoreObserver
  readonly #watched = new Map<number, Watched>()
  readonly #stop = new AbortController()
  readonly #unlisten: () => void
  readonly #running: Promise<void>
  readonly #probes = new Set<Promise<unknown>>()

  constructor(
    mountpaths: Mountpaths,
    options: HealthOptions,
    parts: { readonly clock: Clock; readonly observer: StoreObserver },
  ) {
    this.#mountpaths = mountpaths
    this.#options = options
    this.#clock = parts.clock
    this.#observer = parts.observer
    this.#unlisten = onDiskError((error) => this.#heard(error))
    this.#running = this.#run()
  }

  /** Mountpaths that fail and that the node cannot be without, one sentence each. */
  failing(): readonly string[] {
    return this.#mountpaths.inService().flatMap(({ drive, row }) => {
      const reason = this.#watched.get(drive.mountpath.number)?.failing
      return reason === undefined ? [] : [`mountpath ${row.path} fails: ${reason}`]
    })
  }

  /**
   * Probes a mountpath now; one that fails leaves service, one that had failed comes back.
   *
   * @throws Failure `argument-invalid` when there is no such mountpath
   */
  async check(path: string): Promise<void> {
    const found = this.#mountpaths.inService().find(({ row }) => row.path === path)
    if (found !== undefined) return this.#probe(found.drive, found.row)
    const away = this.#mountpaths.faulted().find((row) => row.path === path)
    if (away === undefined) {
      throw new Failure('argument-invalid', `${path} is no mountpath that could be looked at`)
    }
    await this.#tryReturn(away)
  }

  async close(): Promise<void> {
    this.#unlisten()
    this.#stop.abort(new Failure('unavailable', 'the store is closing'))
    // A probe of a disk that hangs ends by its time limit.
    await Promise.all([this.#running, ...this.#probes])
  }

  async #run(): Promise<void> {
    for (;;) {
      for (const row of this.#mountpaths.faulted()) {
        if (this.#mayReturn(row)) await this.#tryReturn(row).catch(() => undefined)
      }
      try {
        await this.#clock.sleep(this.#options.checkIntervalMs, this.#stop.signal)
      } catch {
        // The store closes.
        return
      }
      await Promise.all(
        this.#mountpaths.inService().map(({ drive, row }) => this.#look(drive, row)),
      )
    }
  }

  /** Looks without writing; whatever is wrong is decided by the probe. */
  async #look(drive: Drive, row: MountpathRow): Promise<void> {
    const watched = this.#watch(drive)
    const hangs = diskGateOf(drive.mountpath.fd).overdueCount > 0
    const seen = await lookAt(probedOf(drive, row), this.#options.probeTimeoutMs)
    if (hangs || seen !== undefined || watched.failing !== undefined) await this.#probe(drive, row)
  }

  /** Two probes that fail, one a moment after the other, take the mountpath out of service. */
  async #probe(drive: Drive, row: MountpathRow, passes = Number.POSITIVE_INFINITY): Promise<void> {
    const watched = this.#watch(drive)
    if (watched.probing) return
    watched.probing = true
    try {
      let reason = await this.#probeOnce(drive, row)
      if (reason !== undefined) {
        await this.#clock.sleep(SECOND_PROBE_MS, this.#stop.signal)
        reason = await this.#probeOnce(drive, row)
      }
      const now = this.#clock.monotonic()
      watched.errorsAt = []
      if (reason === undefined && passes !== Number.POSITIVE_INFINITY) {
        const sinceMs = now - PASSES_MAX * 10 * this.#options.errorWindowMs
        watched.passedAt = [...watched.passedAt.filter((at) => at > sinceMs), now]
        if (watched.passedAt.length >= passes) reason = 'its users meet error after error'
      }
      if (reason === undefined) {
        watched.failing = undefined
        return
      }
      const left = await this.#mountpaths.fault(drive, reason)
      if (left) this.#watched.delete(drive.mountpath.number)
      else this.#fails(row, watched, reason)
    } catch (error) {
      // The store closes while a probe waits; anything else is a mistake that somebody must see.
      if (!this.#stop.signal.aborted) throw error
    } finally {
      watched.probing = false
    }
  }

  #fails(row: MountpathRow, watched: Watched, reason: string): void {
    if (watched.failing === undefined) {
      this.#observer.event('mountpath-failing', { mountpath: row.path, reason })
    }
    watched.failing = reason
  }

  /** In the background of errors, a bounded number: one a mountpath. */
  #probeSoon(drive: Drive, row: MountpathRow): void {
    const probing: Promise<unknown> = this.#probe(drive, row, PASSES_MAX)
      .catch((error: unknown) =>
        this.#observer.event('mountpath-failing', { mountpath: row.path, reason: String(error) }),
      )
      .finally(() => this.#probes.delete(probing))
    this.#probes.add(probing)
  }

  #probeOnce(drive: Drive, row: MountpathRow): Promise<string | undefined> {
    return probe(probedOf(drive, row), this.#options.probeTimeoutMs)
  }

  #heard({ path, device }: DiskError): void {
    for (const { drive, row } of this.#mountpaths.inService()) {
      const { root, device: own } = drive.mountpath
      const isHere = path === undefined ? device === own : path.startsWith(root + sep)
      if (isHere) this.#count(drive, row)
    }
  }

  #count(drive: Drive, row: MountpathRow): void {
    this.#mountpaths.countError(drive)
    const watched = this.#watch(drive)
    const now = this.#clock.monotonic()
    const { errorLimit, errorWindowMs } = this.#options
    watched.errorsAt = [...watched.errorsAt, now].slice(-errorLimit)
    const [first = now] = watched.errorsAt
    if (watched.errorsAt.length < errorLimit || now - first > errorWindowMs) return
    if (!watched.probing) this.#probeSoon(drive, row)
  }

  /** Bounded, so that a disk that comes and goes does not take the node along. */
  #mayReturn({ sinceMs, returnsMs }: MountpathRow): boolean {
    const now = this.#clock.now()
    const lately = returnsMs.filter((at) => now - at < DAY_MS).length
    if (lately >= this.#options.returnsMax) return false
    return now - sinceMs >= this.#options.returnAfterMs * 2 ** lately
  }

  async #tryReturn(row: MountpathRow): Promise<void> {
    const { path, uuid } = row
    const reason = await probe({ path, uuid, device: undefined }, this.#options.probeTimeoutMs)
    if (reason !== undefined) return
    await this.#mountpaths.returnOf(row, this.#clock.now())
  }

  #watch(drive: Drive): Watched {
    const { number } = drive.mountpath
    const known = this.#watched.get(number)
    if (known !== undefined) return known
    const watched = { errorsAt: [], passedAt: [], probing: false, failing: undefined }
    this.#watched.set(number, watched)
    return watched
  }
}

function probedOf(drive: Drive, row: MountpathRow): ProbedMountpath {
  return { path: row.path, uuid: row.uuid, device: drive.mountpath.device }
}
