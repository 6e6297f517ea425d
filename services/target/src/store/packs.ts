import { close, closeSync, constants, fstatSync, open, openSync, unlink } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import { FileSink } from '../bodies/file-sink.ts'
import { type WritePolicy, writePolicyOf } from '../bodies/write-policy.ts'
import { type DiskGate, diskFailure, diskGateOf, isExhausted } from '../os/disk-gate.ts'
import { openFilesShare } from '../os/open-files.ts'
import { takesHoles } from '../os/punch-holes.ts'
import { BLOCK_BYTES, BlockSet } from './block-set.ts'
import type { FileLease, FileLocation } from './contract.ts'
import { errorCode } from './journal.ts'
import { OWN } from './mountpath.ts'
import { Pack } from './pack.ts'
import { PackHoles } from './pack-holes.ts'
import { layOut, UNIT_BYTES_MAX } from './pack-layout.ts'
import { formatPackPlace, type PackPlace, packPlaceOf } from './pack-place.ts'
import type { PackReaders } from './pack-readers.ts'
import { roundToUnit } from './store-context.ts'

const openAsync = promisify(open)
const unlinkAsync = promisify(unlink)

/** Objects up to this size share packs, bytes. */
export const PACKED_BYTES_MAX = 64 * 1024

/** A pack that would grow beyond this is followed by a new one, bytes. */
export const PACK_BYTES_MAX = 64 * 1024 ** 2

/** Objects that may wait for a pack; beyond it the disk is too slow for what is asked of it. */
const APPENDS_WAITING_MAX = 4096

/** How long objects are gathered for one write, milliseconds: their readers have them already. */
const GATHER_MS = 5

/** What shares a layout: one write, or a few. */
const WRITE_OBJECTS_MAX = 256
const WRITE_BYTES_MAX = 1024 ** 2

/** Packs of a mountpath that are open at a time, where the process may have enough descriptors. */
const PACKS_OPEN_MAX = 256

const SECTOR_BYTES = 512

export interface PacksOptions {
  /** Absolute path of the mountpath. */
  readonly root: string
  readonly device: number
  /** Allocation unit of the file system, bytes. */
  readonly unitBytes: number
  /** Of the mountpath, also those from before it left and came back. */
  readonly readers: PackReaders
  /** Closes files that nobody reads now, of packs and others. @returns false when there is none */
  readonly shed: () => boolean
  /** Packs kept open; fewer where the process may not have so many descriptors. */
  readonly openMax?: number | undefined
  /** Told of what stays on the disk though nobody needs it. */
  readonly onTrouble: (path: string, code: string) => void
}

/** Bytes that are in a pack, and nobody's yet. */
export type InPack = Pick<FileLocation, 'path' | 'inode'>

interface Append {
  readonly bytes: Buffer
  readonly resolve: (stored: InPack) => void
  readonly reject: (error: Failure) => void
}

/**
 * The packs of one mountpath: files in which small objects stand one behind the other. To store one
 * costs its share of a write instead of a file of its own.
 *
 * An object has whole blocks to itself, and what goes leaves a hole: its blocks are the file system's
 * again, nothing is moved, and nothing is written to the same place twice. No place becomes a hole
 * while somebody reads it.
 */
export class Packs {
  /** Whether objects can go into packs here: where there are no holes, they would never leave. */
  readonly isUsable: boolean
  readonly #options: PacksOptions
  /** In the names of what this one writes; what has another one is not written any more. */
  readonly #tag = crypto.randomUUID().slice(0, 8)
  readonly #openMax: number
  readonly #packs = new Map<string, Pack>()
  /** Those with a descriptor, least recently used first. */
  readonly #open = new Set<Pack>()
  readonly #holes: PackHoles
  #count = 0
  #current: Pack | undefined
  #queue: Append[] = []
  #writing: Promise<void> | undefined
  /** What was freed since a sweep began, by pack. */
  #freedSince: Map<string, PackPlace[]> | undefined
  #closed = false
  /** Of the disk of all packs; looked up once. */
  #gates: { readonly gate: DiskGate; readonly policy: WritePolicy } | undefined

  constructor(options: PacksOptions) {
    this.#options = options
    const { root, unitBytes, onTrouble, openMax = PACKS_OPEN_MAX } = options
    this.#openMax = Math.max(1, Math.min(openMax, openFilesShare() >> 2))
    this.#holes = new PackHoles({
      use: (pack) => this.#use(pack),
      done: (pack) => this.#leave(pack),
      onTrouble,
    })
    // Whole pages, so that an object can be read directly.
    this.isUsable =
      unitBytes % BLOCK_BYTES === 0 &&
      unitBytes <= UNIT_BYTES_MAX &&
      takesHoles(join(root, OWN.packs), unitBytes)
  }

  /**
   * Puts an object into a pack, an empty one never; those of one moment share a write. It is to be
   * freed, unless a record names it. `bytes` must stay as they are until the promise settles.
   *
   * @throws Failure `disk-error` | `out-of-space` | `slow-down` | `unavailable` after close
   */
  add(bytes: Buffer): Promise<InPack> {
    if (this.#closed) return Promise.reject(new Failure('unavailable', 'the store is closing'))
    if (this.#queue.length >= APPENDS_WAITING_MAX) {
      const message = `more than ${APPENDS_WAITING_MAX} small objects wait for one disk`
      return Promise.reject(new Failure('slow-down', message, { retryAfterSeconds: 1 }))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes, resolve, reject })
      this.#writing ??= this.#writeAll()
    })
  }

  /**
   * The pack of an object, open; its bytes stay there until `release`. Only for what a record names:
   * a place that was freed has others' bytes never, and its own no longer.
   *
   * @returns undefined when the pack is missing, another file, or too short
   * @throws Failure `slow-down` when no descriptor is left, `disk-error` when the disk cannot say
   */
  lease({ path, inode }: InPack, sizeBytes: number): FileLease | undefined {
    const place = packPlaceOf(path)
    const pack = place && this.#opened(place.file)
    if (pack?.fd === undefined || place === undefined) return undefined
    if (pack.inode !== inode || place.offset + sizeBytes > pack.sizeBytes) return undefined
    pack.users += 1
    this.#options.readers.begin(path)
    let released = false
    return {
      fd: pack.fd,
      offset: place.offset,
      release: () => {
        if (released) return
        released = true
        pack.users -= 1
        this.#options.readers.end(path)
        this.#closeGone(pack)
      },
    }
  }

  /**
   * Gives an object up; once more does nothing. Resolves when its blocks are the file system's again,
   * or left to whoever reads them now; never rejects.
   */
  async free(path: string): Promise<void> {
    const place = packPlaceOf(path)
    // The next sweep finds it: by then others may have the directory.
    if (place === undefined || this.#closed) return
    this.#noteFreed(place)
    const pack = this.#known(place.file)
    if (!pack.giveUp(place)) return
    if (pack.isEmpty && pack !== this.#current) await this.#drop(pack)
    else if (!this.#leaveToReaders(pack, place)) await this.#discard(pack, place)
  }

  /** Closes descriptors that nobody uses now. @returns false when there is none */
  shed(): boolean {
    const idle = [...this.#open].filter((pack) => this.#isIdle(pack))
    for (const pack of idle) this.#close(pack, closeSync)
    return idle.length > 0
  }

  /**
   * Removes what earlier processes left in packs that no record has; what this one wrote it knows.
   *
   * @param findTaken asks the records what they have, by pack, from now on; one sweep at a time
   */
  async sweep(findTaken: () => Promise<ReadonlyMap<string, BlockSet>>): Promise<void> {
    this.#freedSince = new Map()
    try {
      await this.#sweepAll(await findTaken())
    } finally {
      this.#freedSince = undefined
    }
  }

  async #sweepAll(found: ReadonlyMap<string, BlockSet>): Promise<void> {
    for (const name of await readdir(join(this.#options.root, OWN.packs))) {
      if (this.#closed) return
      if (name.startsWith(`${this.#tag}-`)) continue
      const file = `${OWN.packs}/${name}`
      const taken = found.get(file) ?? new BlockSet()
      for (const place of this.#freedSince?.get(file) ?? []) taken.delete(place)
      const pack = this.#known(file)
      pack.taken = taken
      if (pack.isEmpty) await this.#drop(pack)
      else await this.#discardGaps(pack, taken).catch((error: unknown) => this.#tell(pack, error))
    }
  }

  /** Writes what waits, then closes. What should still become a hole is found by the next sweep. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
    await this.#holes.close()
    this.#finish()
    for (const pack of this.#open) {
      pack.isGone = true
      this.#closeGone(pack)
    }
  }

  async #writeAll(): Promise<void> {
    await sleep(GATHER_MS)
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch()
      try {
        await this.#write(batch)
      } catch (cause) {
        const failure = diskFailure(cause, `${this.#options.root}: no small object could be stored`)
        // Nobody knows what of them is there: the next ones go elsewhere.
        this.#finish()
        for (const { reject } of batch) reject(failure)
      }
    }
    this.#writing = undefined
  }

  #takeBatch(): readonly Append[] {
    let bytes = 0
    let count = 0
    for (const append of this.#queue) {
      bytes += this.#aligned(append.bytes.length)
      if (count > 0 && (bytes > WRITE_BYTES_MAX || count === WRITE_OBJECTS_MAX)) break
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  async #write(batch: readonly Append[]): Promise<void> {
    const pack = await this.#packFor(batch)
    const { fd } = pack
    if (fd === undefined) throw new Failure('internal', 'the pack that is written is closed')
    const { start, end, buffers, places } = layOut(pack, batch, this.#options.unitBytes)
    // What follows a write that breaks off stands behind it.
    pack.sizeBytes = end
    pack.users += 1
    try {
      await this.#writeAt({ fd, offset: start }, buffers)
      await failpoint('pack:written')
    } catch (error) {
      void this.#holes.add({ pack, offset: start, lengthBytes: this.#aligned(end) - start })
      throw error
    } finally {
      pack.users -= 1
    }
    for (const [at, place] of places.entries()) {
      pack.taken?.add(place)
      batch[at]?.resolve({ path: formatPackPlace(place), inode: pack.inode })
    }
  }

  async #writeAt(
    place: { readonly fd: number; readonly offset: number },
    buffers: readonly Buffer[],
  ): Promise<void> {
    const { gate, policy } = this.#disk(place.fd)
    const sink = new FileSink({ ...place, gate, policy })
    try {
      for (const bytes of buffers) {
        const room = sink.write(bytes)
        if (room !== undefined) await room
      }
      await sink.flush()
    } finally {
      await sink.settle()
    }
  }

  async #packFor(batch: readonly Append[]): Promise<Pack> {
    const wanted = batch.reduce((sum, { bytes }) => sum + this.#aligned(bytes.length), 0)
    const current = this.#current
    if (current !== undefined && current.sizeBytes + wanted <= PACK_BYTES_MAX) return current
    this.#finish()
    this.#count += 1
    const pack = new Pack(`${OWN.packs}/${this.#tag}-${this.#count}`)
    const path = join(this.#options.root, pack.file)
    const fd = await this.#openNew(path)
    pack.opened({ fd, inode: fstatSync(fd).ino, sizeBytes: 0 })
    pack.taken = new BlockSet()
    this.#packs.set(pack.file, pack)
    this.#closeOldest()
    this.#open.add(pack)
    this.#current = pack
    return pack
  }

  /** Files kept open for the next read go first where descriptors are short. */
  async #openNew(path: string): Promise<number> {
    try {
      return await openAsync(path, NEW_PACK, 0o600)
    } catch (error) {
      if (!isExhausted(error) || !this.#options.shed()) throw error
      return openAsync(path, NEW_PACK, 0o600)
    }
  }

  /** Nothing more goes into the current pack. */
  #finish(): void {
    const pack = this.#current
    this.#current = undefined
    if (pack?.isEmpty === true) void this.#drop(pack)
  }

  #discard(pack: Pack, { offset, allocatedBytes }: PackPlace): Promise<void> {
    return this.#holes.add({ pack, offset, lengthBytes: allocatedBytes })
  }

  /** @returns false when nobody reads the place */
  #leaveToReaders(pack: Pack, place: PackPlace): boolean {
    const path = formatPackPlace(place)
    return this.#options.readers.leave(path, () => void this.#discard(pack, place))
  }

  #noteFreed(place: PackPlace): void {
    const freed = this.#freedSince?.get(place.file)
    if (freed === undefined) this.#freedSince?.set(place.file, [place])
    else freed.push(place)
  }

  /** Where more is on the disk than records have: a crash came between them. */
  async #discardGaps(pack: Pack, taken: BlockSet): Promise<void> {
    const stat = await lstat(join(this.#options.root, pack.file))
    if (stat.blocks * SECTOR_BYTES <= taken.sizeBytes) return
    const kept = taken.copy()
    for (const path of this.#options.readers.paths) {
      const place = packPlaceOf(path)
      if (place?.file !== pack.file || taken.has(place)) continue
      kept.add(place)
      this.#leaveToReaders(pack, place)
    }
    const gaps = kept.gaps(this.#aligned(stat.size))
    await Promise.all(gaps.map((gap) => this.#holes.add({ pack, ...gap })))
  }

  /** Removes a pack that nothing is in; who reads in it goes on. */
  async #drop(pack: Pack): Promise<void> {
    if (pack.isGone) return
    pack.isGone = true
    pack.users += 1
    try {
      await unlinkAsync(join(this.#options.root, pack.file))
    } catch (error) {
      this.#tell(pack, error)
    }
    this.#leave(pack)
  }

  /** What stays of a pack; one that is gone leaves nothing. */
  #tell(pack: Pack, error: unknown): void {
    const code = errorCode(error) ?? 'failed'
    if (code !== 'ENOENT') this.#options.onTrouble(pack.file, code)
  }

  #known(file: string): Pack {
    const pack = this.#packs.get(file) ?? new Pack(file)
    this.#packs.set(file, pack)
    return pack
  }

  /**
   * The pack with a descriptor; undefined when there is no such file. One whose name goes is open as
   * long as it has readers: until the index knows, others may join them. @throws as `lease`
   */
  #opened(file: string): Pack | undefined {
    const known = this.#packs.get(file)
    if (known?.isGone === true) return known.fd === undefined ? undefined : known
    if (known?.fd === undefined) return this.#openAgain(file)
    this.#open.delete(known)
    this.#open.add(known)
    return known
  }

  #openAgain(file: string): Pack | undefined {
    const { root, device } = this.#options
    const fd = this.#openIfThere(join(root, file))
    if (fd === undefined) return undefined
    const stat = fstatSync(fd)
    if (!stat.isFile() || stat.dev !== device) {
      closeSync(fd)
      return undefined
    }
    const pack = this.#known(file)
    pack.opened({ fd, inode: stat.ino, sizeBytes: stat.size })
    this.#closeOldest()
    this.#open.add(pack)
    return pack
  }

  #openIfThere(path: string): number | undefined {
    try {
      return openSync(path, OLD_PACK)
    } catch (error) {
      if (isExhausted(error) && this.#options.shed()) return this.#openIfThere(path)
      if (NO_PACK.has(errorCode(error) ?? '')) return undefined
      throw diskFailure(error, 'the file of small objects cannot be opened')
    }
  }

  #use(pack: Pack): number | undefined {
    if (pack.isGone || this.#opened(pack.file) !== pack) return undefined
    pack.users += 1
    return pack.fd
  }

  #leave(pack: Pack): void {
    pack.users -= 1
    this.#closeGone(pack)
  }

  #isIdle(pack: Pack): boolean {
    return pack !== this.#current && pack.users === 0
  }

  /** Makes place for one more. */
  #closeOldest(): void {
    for (const pack of this.#open) {
      if (this.#open.size < this.#openMax) return
      if (this.#isIdle(pack)) this.#close(pack)
    }
  }

  #closeGone(pack: Pack): void {
    if (!pack.isGone || pack.users > 0) return
    this.#close(pack)
    if (this.#packs.get(pack.file) === pack) this.#packs.delete(pack.file)
  }

  /** Off the loop: the last close of what has no name frees its blocks. */
  #close(pack: Pack, closeFile = closeLater): void {
    const { fd } = pack
    pack.fd = undefined
    this.#open.delete(pack)
    if (fd !== undefined) closeFile(fd)
  }

  #disk(fd: number) {
    this.#gates ??= { gate: diskGateOf(fd), policy: writePolicyOf(fd) }
    return this.#gates
  }

  #aligned(bytes: number): number {
    return roundToUnit(bytes, this.#options.unitBytes)
  }
}

const NEW_PACK = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const OLD_PACK = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Something else has the name of a pack, or nothing. */
const NO_PACK: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO'])

function closeLater(fd: number): void {
  close(fd, () => undefined)
}
