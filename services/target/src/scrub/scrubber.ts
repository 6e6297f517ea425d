import { Failure } from '@forebay/base/failure'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import type {
  ScrubCounts,
  ScrubFinding,
  ScrubOrder,
  ScrubPass,
  ScrubPort,
  ScrubStatus,
} from '@forebay/peer/scrub-port'
import type { ObjectContext } from '../objects/context.ts'
import { diskGateOf } from '../os/disk-gate.ts'
import type { StoreContext } from '../store/store-context.ts'
import { fetchAgain } from './fetch-again.ts'
import {
  FINDINGS_KEPT_MAX,
  NO_COUNTS,
  readScrubDocument,
  SCRUB_FORMAT,
  type ScrubCursor,
  type ScrubDocument,
  writeScrubDocument,
} from './scrub-document.ts'
import { ScrubPace, type ScrubRate } from './scrub-pace.ts'
import { runScrubPass } from './scrub-pass.ts'

/** How often the place of a pass is brought to disk, ms: what a crash costs of it. */
const CHECKPOINT_MS = 10_000

/** A pass that the last process left begins again so long after the start, ms: users come first. */
const RESUME_MS = 60_000

/** Longest sleep of the timetable, ms: timers do not reach further than 24 days. */
const SLEEP_MS_MAX = 3_600_000

/** Share of its time that the loop may be busy before users go first, 0..1. */
const LOOP_BUSY_MAX = 0.8

/** Fills that may be under way before users go first. */
const FILLS_BUSY_MAX = 32

/** Objects that one pass fetches again; the rest comes back with its next reader. */
const FETCHED_AGAIN_MAX = 1000

/** Counts where the acts happen; the composition turns them into metrics. */
export interface ScrubObserver {
  /** An entry was looked at. */
  looked(counts: Partial<ScrubCounts>): void
  found(finding: ScrubFinding): void
  ended(pass: ScrubPass): void
}

export interface ScrubberOptions extends ScrubRate {
  readonly objects: ObjectContext
  readonly store: StoreContext
  /** Where the place of a pass is kept. */
  readonly documentPath: string
  /** Time from the start of one pass to that of the next, ms; 0 = only when somebody orders one. */
  readonly intervalMs: number
  /** Fetch again at once what had to be given up. */
  readonly fetchAgain: boolean
  readonly observer: ScrubObserver
}

interface Running {
  pass: ScrubPass
  readonly scope: ScrubOrder['scope']
  cursor: ScrubCursor | undefined
  readonly stop: AbortController
  /** It ends for now, and keeps its place. */
  held: boolean
  /** Since this process works on it: what its speed is told by. */
  readonly sinceMs: number
  readonly bytesBefore: number
  readonly objectsBefore: number
  ended: Promise<void>
}

/**
 * Reads in the background, again and again, everything that the node has, and gives up or marks what
 * is not what it should be. One pass at a time, at a bounded rate; a restart goes on where it was.
 */
export class Scrubber implements ScrubPort {
  readonly #options: ScrubberOptions
  readonly #pace: ScrubPace
  readonly #closing = new AbortController()
  #document: ScrubDocument
  #findings: ScrubFinding[]
  #running: Running | undefined
  #timetable: Promise<void> | undefined
  #writing: Promise<void> = Promise.resolve()
  #writtenAt = Number.NEGATIVE_INFINITY
  #fetchedAgain = 0
  #isWritingDamage = false
  /** Damage was found since the document was begun to be written. */
  #damageIsNew = false

  constructor(options: ScrubberOptions) {
    this.#options = options
    const { clock } = options.objects
    this.#pace = new ScrubPace({
      bytesPerSecond: options.bytesPerSecond,
      filesPerSecond: options.filesPerSecond,
      clock,
      busyWith: watchUsers(options),
    })
    this.#document = readScrubDocument(options.documentPath) ?? {
      format: SCRUB_FORMAT,
      sinceMs: clock.now(),
      findings: [],
    }
    this.#findings = [...this.#document.findings]
  }

  /** Begins to keep the timetable: goes on with a pass that was left, and starts those that are due. */
  open(): void {
    this.#timetable ??= this.#keepTimetable().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#warn('scrubbing ended', error)
    })
  }

  start(order: ScrubOrder): ScrubStatus {
    if (this.#closing.signal.aborted) throw new Failure('unavailable', 'the node is stopping')
    const running = this.#running
    if (running !== undefined) {
      if (!isSameScope(running.scope, order.scope)) {
        throw new Failure('object-busy', 'a scrub of something else is under way', {
          hint: 'wait for it, or end it with "forebay scrub stop"',
        })
      }
      if (order.bytesPerSecond !== undefined) this.#setRate(order.bytesPerSecond)
      return this.status()
    }
    this.#setRate(order.bytesPerSecond)
    const left = this.#document.running
    const { goOnSinceMs = Number.POSITIVE_INFINITY } = order
    const isMeant = left !== undefined && left.pass.startedMs >= goOnSinceMs
    if (isMeant && isSameScope(left.scope, order.scope)) {
      this.#begin({ pass: left.pass, scope: left.scope, cursor: left.cursor })
      return this.status()
    }
    const bucket = order.scope && this.#options.store.bucketOf(order.scope.bucketId)
    const scope = order.scope && bucket && `${formatBucket(bucket.ref)}/${order.scope.prefix}`
    this.#findings = []
    this.#begin({
      pass: {
        ...NO_COUNTS,
        ...(scope === undefined ? {} : { scope }),
        startedMs: this.#options.objects.clock.now(),
        state: 'running',
      },
      scope: order.scope,
      cursor: undefined,
    })
    return this.status()
  }

  async stop(): Promise<ScrubStatus> {
    const running = this.#running
    running?.stop.abort(new Failure('unavailable', 'the scrub was ended'))
    await running?.ended
    return this.status()
  }

  async hold(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    running.held = true
    running.stop.abort(new Failure('unavailable', 'the scrub is held'))
    await running.ended
  }

  status(): ScrubStatus {
    const running = this.#running
    const { last, lastWhole } = this.#document
    const nextMs = this.#nextMs()
    const base = {
      ...(lastWhole === undefined ? {} : { lastWhole }),
      ...(nextMs === undefined || running !== undefined ? {} : { nextMs }),
      findings: this.#findings,
    }
    if (running === undefined) {
      const left = this.#document.running
      if (left === undefined || left.held === true) return { state: 'idle', pass: last, ...base }
      const waitsFor = 'the node has just started'
      return { state: 'running', waitsFor, pass: left.pass, ...base }
    }
    const { waitsFor } = this.#pace
    return {
      state: 'running',
      ...(waitsFor === undefined ? {} : { waitsFor }),
      pass: running.pass,
      ...this.#progressOf(running),
      ...base,
    }
  }

  /** Ends what is under way, to go on with it after the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new Failure('unavailable', 'the node is stopping'))
    await this.#running?.ended
    await this.#timetable
    await this.#writing
  }

  #setRate(bytesPerSecond: number | undefined): void {
    const { filesPerSecond, bytesPerSecond: usual } = this.#options
    const all = bytesPerSecond === 0
    this.#pace.setRate({
      bytesPerSecond: bytesPerSecond ?? usual,
      filesPerSecond: all ? 0 : filesPerSecond,
    })
  }

  async #keepTimetable(): Promise<void> {
    const { clock } = this.#options.objects
    const { signal } = this.#closing
    await this.#write()
    if (this.#document.running !== undefined) await clock.sleep(RESUME_MS, signal)
    const left = this.#document.running
    // Somebody may have begun another one meanwhile.
    if (left !== undefined && left.held !== true && this.#running === undefined) {
      this.#begin({ ...left, scope: left.scope, cursor: left.cursor })
    }
    for (;;) {
      const nextMs = this.#nextMs()
      const waitMs = nextMs === undefined ? SLEEP_MS_MAX : nextMs - clock.now()
      if (waitMs > 0) await clock.sleep(Math.min(waitMs, SLEEP_MS_MAX), signal)
      else if (this.#running !== undefined) await this.#running.ended
      else this.start({})
    }
  }

  #nextMs(): number | undefined {
    const { intervalMs } = this.#options
    return intervalMs === 0 ? undefined : this.#document.sinceMs + intervalMs
  }

  #begin(from: Pick<Running, 'pass' | 'scope' | 'cursor'>): void {
    const running: Running = {
      ...from,
      stop: new AbortController(),
      held: false,
      sinceMs: this.#options.objects.clock.monotonic(),
      bytesBefore: from.pass.bytes,
      objectsBefore: from.pass.objects,
      ended: Promise.resolve(),
    }
    this.#running = running
    if (running.scope === undefined) {
      this.#document = { ...this.#document, sinceMs: running.pass.startedMs }
    }
    this.#fetchedAgain = 0
    void this.#write()
    running.ended = this.#run(running)
  }

  async #run(running: Running): Promise<void> {
    const { objects, store } = this.#options
    const signal = AbortSignal.any([running.stop.signal, this.#closing.signal])
    let state: ScrubPass['state'] = 'finished'
    try {
      await runScrubPass({
        objects,
        store,
        scope: running.scope,
        cursor: running.cursor,
        beforeRead: (cost) => this.#pace.spend(cost, signal),
        signal,
        onLooked: (cursor, counts) => this.#looked(running, cursor, counts),
        onFound: (finding) => this.#found(finding),
        onOrphan: (path) => this.#orphan(running, path),
        fetchAgain: (bucket, key) => this.#fetchAgain(bucket, key, signal),
      })
    } catch (error) {
      state = 'stopped'
      if (!signal.aborted) this.#warn('a scrub broke off', error)
    }
    const isLeft = this.#closing.signal.aborted || running.held
    if (!isLeft || state === 'finished') return this.#end(running, state)
    await this.#write()
    if (running.held) this.#running = undefined
  }

  async #end(running: Running, state: ScrubPass['state']): Promise<void> {
    const pass = { ...running.pass, state, endedMs: this.#options.objects.clock.now() }
    this.#running = undefined
    const whole = state === 'finished' && running.scope === undefined
    this.#document = {
      ...this.#document,
      running: undefined,
      last: pass,
      ...(whole ? { lastWhole: pass } : {}),
    }
    this.#options.observer.ended(pass)
    await this.#write()
  }

  #looked(running: Running, cursor: ScrubCursor, counts: Partial<ScrubCounts>): void {
    running.cursor = cursor
    running.pass = { ...running.pass, ...addCounts(running.pass, counts) }
    this.#options.observer.looked(counts)
    const { clock } = this.#options.objects
    if ((counts.damaged ?? 0) > 0) void this.#writeDamage()
    else if (clock.monotonic() - this.#writtenAt >= CHECKPOINT_MS) void this.#write()
  }

  /**
   * At once: a copy that was dropped is not found again after a crash. What comes while the document is
   * written goes into the next one.
   */
  async #writeDamage(): Promise<void> {
    this.#damageIsNew = true
    if (this.#isWritingDamage) return
    this.#isWritingDamage = true
    while (this.#damageIsNew) {
      this.#damageIsNew = false
      await this.#write()
    }
    this.#isWritingDamage = false
  }

  #found(finding: ScrubFinding): void {
    if (this.#findings.length < FINDINGS_KEPT_MAX) this.#findings.push(finding)
    this.#options.observer.found(finding)
  }

  #orphan(running: Running, path: string): void {
    running.pass = { ...running.pass, ...addCounts(running.pass, { orphans: 1 }) }
    this.#options.observer.looked({ orphans: 1 })
    // One by one only as far as they are kept: a whole tree may have been put there.
    if (this.#findings.length >= FINDINGS_KEPT_MAX) return
    const foundMs = this.#options.objects.clock.now()
    this.#found({ damage: 'orphan', action: 'reported', path, foundMs })
  }

  async #fetchAgain(bucket: BucketRecord, key: string, signal: AbortSignal): Promise<boolean> {
    if (!this.#options.fetchAgain || this.#fetchedAgain >= FETCHED_AGAIN_MAX) return false
    this.#fetchedAgain += 1
    return fetchAgain(
      this.#options.objects,
      { bucket, key },
      {
        beforeRead: (cost) => this.#pace.spend(cost, signal),
        signal,
      },
    )
  }

  /** One at a time; a document that cannot be written costs a pass that begins further back. */
  #write(): Promise<void> {
    const { objects, documentPath } = this.#options
    this.#writtenAt = objects.clock.monotonic()
    const running = this.#running
    this.#document = {
      ...this.#document,
      findings: this.#findings.slice(),
      ...(running === undefined ? {} : { running: placeOf(running) }),
    }
    const document = this.#document
    this.#writing = this.#writing
      .then(() => writeScrubDocument(documentPath, document))
      .catch((error: unknown) => this.#warn('the place of a scrub could not be kept', error))
    return this.#writing
  }

  #progressOf(running: Running) {
    const { index, drives } = this.#options.store
    const tallies =
      running.scope === undefined
        ? drives.map(({ mountpath }) => index.mountpathTally(mountpath.number))
        : [index.bucketTally(running.scope.bucketId)]
    const totalObjects = tallies.reduce((sum, { objects }) => sum + objects, 0)
    const totalBytes = tallies.reduce((sum, { bytes }) => sum + bytes, 0)
    const seconds = (this.#options.objects.clock.monotonic() - running.sinceMs) / 1000
    if (seconds <= 0) return { totalObjects, totalBytes }
    const bytesPerSecond = (running.pass.bytes - running.bytesBefore) / seconds
    const objectsPerSecond = (running.pass.objects - running.objectsBefore) / seconds
    const bytesLeft = Math.max(0, totalBytes - running.pass.bytes)
    const objectsLeft = Math.max(0, totalObjects - running.pass.objects)
    const remainingSeconds = Math.max(
      bytesLeft === 0 ? 0 : bytesLeft / bytesPerSecond,
      objectsLeft === 0 ? 0 : objectsLeft / objectsPerSecond,
    )
    return {
      totalObjects,
      totalBytes,
      bytesPerSecond,
      ...(Number.isFinite(remainingSeconds) ? { remainingSeconds } : {}),
    }
  }

  #warn(event: string, error: unknown): void {
    this.#options.objects.observer.warn(event, { error })
  }
}

function placeOf({ pass, scope, cursor, held }: Running): ScrubDocument['running'] {
  return { pass, scope, cursor, ...(held ? { held } : {}) }
}

function isSameScope(one: ScrubOrder['scope'], other: ScrubOrder['scope']): boolean {
  return one?.bucketId === other?.bucketId && one?.prefix === other?.prefix
}

function addCounts(to: ScrubCounts, more: Partial<ScrubCounts>): ScrubCounts {
  const sum = (name: keyof ScrubCounts): number => to[name] + (more[name] ?? 0)
  return {
    objects: sum('objects'),
    bytes: sum('bytes'),
    damaged: sum('damaged'),
    repaired: sum('repaired'),
    adopted: sum('adopted'),
    unchecked: sum('unchecked'),
    orphans: sum('orphans'),
  }
}

/** What users need the machine for. */
function watchUsers({ objects, store }: ScrubberOptions): () => string | undefined {
  return () => {
    if (objects.loopBusyShare() > LOOP_BUSY_MAX) return 'the event loop is busy'
    if (objects.fills.activeCount > FILLS_BUSY_MAX) return 'many objects are being fetched'
    const hung = store.drives.find(({ mountpath }) => hangs(mountpath.fd))
    return hung === undefined ? undefined : `${hung.mountpath.root} does not answer`
  }
}

function hangs(fd: number): boolean {
  try {
    return diskGateOf(fd).overdueCount > 0
  } catch {
    // Its mountpath has just been taken away.
    return false
  }
}
