/**
 * Which mountpaths the node has, and how they come and go while it runs: attached and detached,
 * disabled and enabled by order, out of service when their disk fails. One change at a time; what
 * takes long (emptying a mountpath) goes on behind, and after a restart.
 */
import { failpoint } from '@forebay/base/failpoint'
import { Failure, isFailure } from '@forebay/base/failure'
import type { DriveTable } from '../store/drive-table.ts'
import { errorCode } from '../store/journal.ts'
import { type Mountpath, openMountpath } from '../store/mountpath.ts'
import { beginState } from '../store/recover.ts'
import type { Drive, StoreContext, StoreEvent } from '../store/store-context.ts'
import { writeSyncMark } from '../store/sync-mark.ts'
import { clearMountpath, prepareDirectory } from './directory.ts'
import { type DrainProgress, drainDrive } from './drain.ts'
import { dropRecords, type Holding, holdingOf } from './holding.ts'
import { checkLosesNothing, checkRoom, whyNeeded } from './may-leave.ts'
import { type MountpathRow, writeMountpathTable } from './mountpath-table.ts'
import { type Listed, newRow, whyAway } from './open-listed.ts'
import { doubtEarlier, takeBack, tellMissed } from './take-back.ts'

/** What the mountpaths of a store are made of. */
export interface MountpathParts {
  readonly context: StoreContext
  readonly table: DriveTable
  readonly openDrive: (mountpath: Mountpath) => Promise<Drive>
  readonly clusterId: string
  /** Where it is written which there are; undefined: nowhere. */
  readonly tablePath: string | undefined
  readonly listed: Listed
  /** Number of the one with the index; undefined when the index lies apart. */
  readonly indexOn: number | undefined
}

/** A mountpath as it is told to people. */
export interface MountpathReport extends Pick<MountpathRow, 'path' | 'state' | 'sinceMs'> {
  readonly next: MountpathRow['next']
  readonly reason: string | undefined
  /** Errors of its disk since the start. */
  readonly errorCount: number
  /** Objects that are on it, also while it is away. */
  readonly objectCount: number
  readonly usedBytes: number
  /** 0 while it is away. */
  readonly capacityBytes: number
}

export interface LeaveOptions {
  /** At once: what only this mountpath has is unavailable (disable) or lost (detach). */
  readonly force?: boolean | undefined
}

/** What is gone, or cannot be had, after a mountpath left at once. */
export type Left = Holding

const NOTHING: Left = { objectCount: 0, bytes: 0 }

export class Mountpaths {
  readonly #parts: MountpathParts
  readonly #rows = new Map<string, MountpathRow>()
  readonly #errors = new Map<number, number>()
  readonly #drains = new Map<number, { readonly stop: AbortController; done: Promise<void> }>()
  /** Mountpaths that left and are not closed yet, by number. */
  readonly #closing = new Map<number, Promise<void>>()
  readonly #stop = new AbortController()
  #detached: readonly string[]
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: MountpathParts) {
    this.#parts = parts
    const { open, away, detached } = parts.listed
    for (const row of [...open.map((entry) => entry.row), ...away]) this.#rows.set(row.path, row)
    this.#detached = detached
  }

  /** Writes down what the start found. @param rebuilt the index was built from the journals there are */
  async begin(rebuilt: boolean): Promise<void> {
    for (const row of this.#parts.listed.away) {
      const { path, state, reason = '' } = row
      if (state === 'faulted') this.#tell('mountpath-faulted', { mountpath: path, reason })
      if (rebuilt) this.#rows.set(path, { ...row, replay: 'all' })
    }
    await this.#write()
  }

  /** Goes on emptying what was being emptied; to be called when the buckets are known. */
  resume(): void {
    for (const drive of this.#parts.table.drives) {
      if (this.#rowOf(drive)?.state === 'draining') this.#startDrain(drive)
    }
  }

  list(): readonly MountpathReport[] {
    return [...this.#rows.values()].map((row) => this.#report(row))
  }

  /** Mountpaths in service, with what their health is judged by. */
  inService(): readonly { readonly drive: Drive; readonly row: MountpathRow }[] {
    return this.#parts.table.drives.flatMap((drive) => {
      const row = this.#rowOf(drive)
      return row === undefined ? [] : [{ drive, row }]
    })
  }

  /** Mountpaths that left because their disk failed or was not there. */
  faulted(): readonly MountpathRow[] {
    return [...this.#rows.values()].filter(({ state }) => state === 'faulted')
  }

  /** Why the node is not what it should be, one sentence a mountpath. */
  troubles(): readonly string[] {
    return [...this.#rows.values()].flatMap(({ path, state, reason }) =>
      state === 'faulted' ? [`mountpath ${path} is out of service: ${reason ?? 'it failed'}`] : [],
    )
  }

  countError(drive: Drive): void {
    const { number } = drive.mountpath
    this.#errors.set(number, (this.#errors.get(number) ?? 0) + 1)
  }

  /** What a read or write is told whose only place is a mountpath that is away. */
  awayFailure(mountpath: number): Failure {
    const row = [...this.#rows.values()].find(({ number }) => number === mountpath)
    const what = row === undefined ? 'a mountpath that this node does not have' : row.path
    return new Failure('unavailable', `the object is on ${what}, which is out of service`, {
      hint: 'enable the mountpath: forebay mountpath enable PATH',
      retryAfterSeconds: 60,
    })
  }

  /**
   * Brings a directory into service: an empty one, or a mountpath that was disabled. What is stored
   * from now on may go there; what is stored already stays where it is.
   *
   * @throws Failure `argument-invalid` | `setting-invalid` when the directory cannot be one
   */
  attach(path: string): Promise<MountpathReport> {
    return this.#change(async () => {
      const known = this.#rows.get(path)
      if (known !== undefined) return this.#enable(known)
      const others = [...this.#rows.values()].map((row) => row.path)
      await prepareDirectory(path, { others, clusterId: this.#parts.clusterId })
      const { context, table, openDrive, clusterId } = this.#parts
      const mountpath = await openMountpath(path, clusterId)
      try {
        const drive = await openDrive(mountpath)
        await beginState(context, drive)
        await failpoint('attach:prepared')
        const attached = !this.#detached.includes(path)
        const row = newRow({ path, mountpath, attached, sinceMs: context.clock.now() })
        this.#detached = this.#detached.filter((other) => other !== path)
        this.#rows.set(path, row)
        await this.#write()
        await failpoint('attach:written')
        table.add(drive)
        await context.index.persistPositions()
        this.#tell('mountpath-attached', { mountpath: path })
        return this.#report(row)
      } catch (error) {
        this.#rows.delete(path)
        await mountpath.close()
        throw error
      }
    })
  }

  /**
   * Takes a mountpath from the node for good. In order: its native objects are moved to the others
   * first, behind the answer. By force: at once, and what only it had is lost, as the answer says.
   *
   * @throws Failure `argument-invalid` when the node cannot be without it, `out-of-space` when the
   *   others have no room for its objects
   */
  detach(path: string, options: LeaveOptions = {}): Promise<Left> {
    return this.#change(() => this.#leave(path, 'detach', options))
  }

  /** As `detach`, but the mountpath can be enabled again, and what it has by then is there again. */
  disable(path: string, options: LeaveOptions = {}): Promise<Left> {
    return this.#change(() => this.#leave(path, 'disable', options))
  }

  /** Brings a mountpath back, or stops emptying it. @throws Failure `argument-invalid` | `disk-error` */
  enable(path: string): Promise<MountpathReport> {
    return this.#change(() => this.#enable(this.#known(path)))
  }

  /**
   * Takes a mountpath out of service whose disk fails.
   *
   * @returns false when the node cannot be without it: it stays
   */
  fault(drive: Drive, reason: string): Promise<boolean> {
    return this.#change(async () => {
      const row = this.#rowOf(drive)
      if (row === undefined || whyNeeded(drive, this.#parts) !== undefined) return false
      await this.#takeOut(drive, { ...row, state: 'faulted', reason })
      this.#tell('mountpath-faulted', { mountpath: row.path, reason })
      return true
    })
  }

  /** Brings back a mountpath that had failed; `atMs` is remembered. @returns false when it changed meanwhile */
  returnOf(row: MountpathRow, atMs: number): Promise<boolean> {
    return this.#change(async () => {
      const now = this.#rows.get(row.path)
      if (now?.state !== 'faulted' || now.number !== row.number) return false
      await this.#enable({ ...now, returnsMs: [...now.returnsMs, atMs].slice(-RETURNS_KEPT) })
      return true
    })
  }

  /** Stops what goes on behind. */
  async close(): Promise<void> {
    this.#stop.abort(new Failure('unavailable', 'the store is closing'))
    for (const { stop } of this.#drains.values()) stop.abort(this.#stop.signal.reason)
    await Promise.all([...this.#drains.values()].map(({ done }) => done))
    await this.#last
    // A disk that hangs is left to the end of the process.
    const done = new AbortController()
    const late = this.#parts.context.clock.sleep(CLOSE_WAIT_MS, done.signal).catch(() => undefined)
    await Promise.race([Promise.all(this.#closing.values()), late])
    done.abort()
  }

  async #leave(path: string, next: 'detach' | 'disable', { force }: LeaveOptions): Promise<Left> {
    const row = this.#known(path)
    const { table } = this.#parts
    const drive = table.byNumber.get(row.number)
    if (drive === undefined) return this.#leaveAway(row, next, force === true)
    const needed = whyNeeded(drive, this.#parts)
    if (needed !== undefined) throw new Failure('argument-invalid', `mountpath ${path} ${needed}`)
    if (force === true) return this.#leaveAtOnce(drive, row, next)
    if (row.state !== 'draining') await checkRoom(drive, row.path, this.#parts)
    table.place(drive, false)
    await this.#update({ ...row, state: 'draining', next, reason: undefined })
    this.#tell('mountpath-draining', { mountpath: path, next })
    await failpoint('drain:begun')
    if (!this.#drains.has(row.number)) this.#startDrain(drive)
    return NOTHING
  }

  /** One that is out of service already. */
  async #leaveAway(row: MountpathRow, next: 'detach' | 'disable', force: boolean): Promise<Left> {
    if (next === 'disable') {
      await this.#update({ ...row, state: 'disabled', reason: row.reason })
      return NOTHING
    }
    const held = await holdingOf(this.#parts.context, row.number)
    if (!force) checkLosesNothing(row.path, held)
    await this.#forget(row)
    return held
  }

  async #leaveAtOnce(drive: Drive, row: MountpathRow, next: 'detach' | 'disable'): Promise<Left> {
    const held = await holdingOf(this.#parts.context, row.number)
    await this.#takeOut(drive, { ...row, state: 'disabled', next: undefined, reason: 'by order' })
    this.#tell('mountpath-disabled', { mountpath: row.path, objects: held.objectCount })
    if (next === 'detach') await this.#forget(row)
    return held
  }

  async #enable(row: MountpathRow): Promise<MountpathReport> {
    const { table, context } = this.#parts
    const drive = table.byNumber.get(row.number)
    if (drive === undefined) {
      const enabled = await this.#takeBack(row)
      this.#tell('mountpath-enabled', { mountpath: row.path })
      return this.#report(enabled)
    }
    this.#drains.get(row.number)?.stop.abort(new Failure('unavailable', 'it stays after all'))
    await this.#drains.get(row.number)?.done
    if (table.byNumber.get(row.number) !== drive) return this.#enable(this.#known(row.path))
    table.place(drive, true)
    await this.#update({ ...row, state: 'enabled', next: undefined, reason: undefined })
    context.observer.event('mountpath-enabled', { mountpath: row.path })
    return this.#report(this.#known(row.path))
  }

  async #takeBack(row: MountpathRow): Promise<MountpathRow> {
    const { context, table, openDrive, clusterId } = this.#parts
    const { path, number } = row
    const reason = whyAway(path, row)
    if (reason !== undefined) throw new Failure('disk-error', `mountpath ${path}: ${reason}`)
    if (this.#closing.has(number)) {
      throw new Failure('disk-error', `mountpath ${path}: its disk has not answered yet`)
    }
    const mountpath = await openMountpath(path, clusterId)
    context.missed.begin(number)
    let drive: Drive | undefined
    try {
      drive = await openDrive(mountpath)
      await takeBack(context, drive, { replay: row.replay, signal: this.#stop.signal })
      const enabled = await this.#update({
        ...row,
        state: 'enabled',
        next: undefined,
        reason: undefined,
        replay: 'none',
      })
      await failpoint('return:written')
      await tellMissed(context, drive)
      doubtEarlier(context, drive)
      table.add(drive)
      // Times of validation from before count for nothing now.
      context.index.clearCache()
      // What was removed while the disk was told.
      await tellMissed(context, drive)
      drive.trash.empty()
      return enabled
    } catch (error) {
      if (this.#rows.get(path)?.state === 'enabled') await this.#update(row).catch(() => undefined)
      if (drive !== undefined) table.remove(drive)
      await drive?.packs.close()
      await drive?.journal.close().catch(() => undefined)
      await mountpath.close()
      throw error
    } finally {
      context.missed.end(number)
    }
  }

  /** Out of service at once; closed behind, since a disk that hangs would hold everybody up. */
  async #takeOut(drive: Drive, row: MountpathRow): Promise<void> {
    const { context, table } = this.#parts
    const { number } = drive.mountpath
    const heldMarks = context.drives[0] === drive
    this.#drains.get(number)?.stop.abort(new Failure('unavailable', 'the mountpath left'))
    table.remove(drive)
    context.files.dropMountpath(number)
    if (heldMarks) await this.#noteMarks()
    // From here on the index says what stands on it; what it has must not be lost with the process.
    await context.index.settled()
    await context.index.databases.root.flushed
    await this.#update({ ...row, next: undefined, replay: 'none' })
    const closing = this.#closeDrive(drive).finally(() => this.#closing.delete(number))
    this.#closing.set(number, closing)
  }

  /** Marks of unsettled keys are noted in the first journal: another one is that now. */
  async #noteMarks(): Promise<void> {
    const { context } = this.#parts
    const journal = context.drives[0]?.journal
    await context.index.settled()
    for (const { bucketId, key, sequence } of context.index.unsettledMarks()) {
      await journal?.note({ kind: 'unsettled', bucketId, key, sequence }, false)
    }
  }

  async #closeDrive(drive: Drive): Promise<void> {
    const { context } = this.#parts
    const { root } = drive.mountpath
    try {
      await drive.spares.close()
      await drive.packs.close()
      await drive.trash.stop()
      await drive.journal.close()
      // Commits in its journal go on to their end: at its return the index says what stands.
      while (drive.inFlight.size > 0 && !this.#stop.signal.aborted) {
        await context.clock.sleep(LAST_COMMITS_LOOK_MS)
      }
      await context.index.settled()
      await writeSyncMark(context, drive, true)
    } catch (error) {
      const code = errorCode(error) ?? 'failed'
      context.observer.event('sync-failed', { mountpath: root, code })
    }
    await drive.mountpath.close().catch((error: unknown) => {
      context.observer.event('file-left-behind', { path: root, code: errorCode(error) ?? 'failed' })
    })
  }

  /** Takes it from the table, with all that the index says of it. */
  async #forget(row: MountpathRow): Promise<void> {
    const { context } = this.#parts
    await dropRecords(context, row.number)
    context.index.forgetMountpath(row.number)
    this.#rows.delete(row.path)
    if (!row.attached) this.#detached = [...this.#detached, row.path]
    await this.#write()
    await failpoint('detach:written')
    this.#tell('mountpath-detached', { mountpath: row.path })
    await Promise.race([this.#closing.get(row.number), context.clock.sleep(CLOSE_WAIT_MS)])
    if (this.#closing.has(row.number)) return
    await clearMountpath(row).catch((error: unknown) => {
      const code = errorCode(error) ?? 'failed'
      context.observer.event('file-left-behind', { path: row.path, code })
    })
  }

  #startDrain(drive: Drive): void {
    const { number } = drive.mountpath
    const stop = new AbortController()
    const progress: DrainProgress = { movedObjects: 0, movedBytes: 0, droppedObjects: 0 }
    const { context } = this.#parts
    const run = async (): Promise<void> => {
      try {
        await drainDrive(context, drive, { progress, signal: stop.signal })
      } catch (error) {
        this.#drains.delete(number)
        if (!stop.signal.aborted) void this.#change(() => this.#giveUp(drive, error))
        return
      }
      this.#drains.delete(number)
      void this.#change(() => this.#drained(drive, progress))
    }
    this.#drains.set(number, { stop, done: run() })
  }

  async #drained(drive: Drive, progress: DrainProgress): Promise<void> {
    const row = this.#rowOf(drive)
    if (row?.state !== 'draining' || this.#stop.signal.aborted) return
    // It was enabled and has to leave once more since: the later round goes by what came meanwhile.
    if (this.#drains.has(row.number)) return
    if (this.#parts.context.index.mountpathTally(row.number).objects > 0) {
      this.#startDrain(drive)
      return
    }
    await failpoint('drain:emptied')
    const { next, path } = row
    await this.#takeOut(drive, { ...row, state: 'disabled', reason: 'by order' })
    await this.#closing.get(row.number)
    this.#tell('mountpath-disabled', { mountpath: path, ...progress })
    if (next !== 'detach') return
    // A write that outlasted the wait for the last writers may have ended there after all.
    const { objectCount } = await holdingOf(this.#parts.context, row.number)
    if (objectCount === 0) await this.#forget(row)
    else this.#tell('drain-failed', { mountpath: path, reason: 'it has objects once more' })
  }

  /** Nothing is lost: what could not be moved stays in service where it is. */
  async #giveUp(drive: Drive, error: unknown): Promise<void> {
    const row = this.#rowOf(drive)
    if (row?.state !== 'draining' || this.#stop.signal.aborted) return
    const why = isFailure(error) ? error.message : String(error)
    this.#parts.table.place(drive, true)
    const reason = `it could not be emptied: ${why}`
    await this.#update({ ...row, state: 'enabled', next: undefined, reason })
    this.#tell('drain-failed', { mountpath: row.path, reason: why })
  }

  #known(path: string): MountpathRow {
    const row = this.#rows.get(path)
    if (row !== undefined) return row
    throw new Failure('argument-invalid', `there is no mountpath ${path}`, {
      hint: 'forebay mountpath ls shows them',
    })
  }

  #rowOf(drive: Drive): MountpathRow | undefined {
    return [...this.#rows.values()].find(({ number }) => number === drive.mountpath.number)
  }

  #report({ path, number, state, next, reason, sinceMs }: MountpathRow): MountpathReport {
    const { context, table } = this.#parts
    const { objects, bytes } = context.index.mountpathTally(number)
    const capacityBytes = table.byNumber.get(number)?.space.capacityBytes ?? 0
    const errorCount = this.#errors.get(number) ?? 0
    const counts = { errorCount, objectCount: objects, usedBytes: bytes, capacityBytes }
    return { path, state, next, reason, sinceMs, ...counts }
  }

  async #update(row: MountpathRow): Promise<MountpathRow> {
    const stamped = { ...row, sinceMs: this.#parts.context.clock.now() }
    this.#rows.set(row.path, stamped)
    await this.#write()
    return stamped
  }

  #write(): Promise<void> {
    const rows = [...this.#rows.values()]
    return writeMountpathTable(this.#parts.tablePath, { rows, detached: this.#detached })
  }

  #tell(event: StoreEvent, facts: Readonly<Record<string, string | number | boolean>>): void {
    this.#parts.context.observer.event(event, facts)
  }

  /** Runs changes one after the other. */
  #change<T>(act: () => Promise<T>): Promise<T> {
    const run = this.#last.then(() => {
      this.#stop.signal.throwIfAborted()
      return act()
    })
    this.#last = run.catch(() => undefined)
    return run
  }
}

/** Times of coming back that are remembered. */
const RETURNS_KEPT = 16

/** How often it is looked whether the last commits of a mountpath that left are done, ms. */
const LAST_COMMITS_LOOK_MS = 10

/** How long a store that closes waits for disks that left, ms. */
const CLOSE_WAIT_MS = 2000
