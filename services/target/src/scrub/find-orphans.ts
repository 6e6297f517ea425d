import type { Dirent } from 'node:fs'
import { lstat, opendir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { xxh64 } from '@forebay/base/digest'
import { encodeName } from '../store/index-db.ts'
import { errorCode } from '../store/journal.ts'
import { OWN } from '../store/mountpath.ts'
import { RESERVED_NAME } from '../store/naming.ts'
import { sweepPage } from '../store/scan.ts'
import type { Drive, StoreContext } from '../store/store-context.ts'
import type { BeforeRead } from './check-entry.ts'

/** Entries of the index that are noted between two turns of the event loop. */
const PAGE_MAX = 500

/** Bits of the filter for each object: of a thousand orphans two or three are taken for known. */
const BITS_PER_OBJECT = 16
const PROBES = 4

/** Files that changed as late as this before the look are not judged, ms: their record may follow. */
const YOUNG_MS = 60_000

export interface OrphanOptions {
  readonly store: StoreContext
  /** The file system's clock, ms since 1970. */
  readonly nowMs: () => number
  readonly beforeRead: BeforeRead
  readonly signal: AbortSignal
  /** @param path absolute */
  onOrphan(path: string): void
  /** A mountpath could not be walked to its end. */
  onTrouble(root: string, error: unknown): void
}

/**
 * Finds files below the mountpaths that no record knows. Nothing is removed: whoever put them there may
 * want them. The records are remembered in two bytes each, so that it can be done for tens of millions.
 */
export async function findOrphans(options: OrphanOptions): Promise<void> {
  const { store } = options
  await store.index.settled()
  const beforeMs = options.nowMs() - YOUNG_MS
  const known = await noteRecords(options)
  for (const drive of store.drives) {
    const { root } = drive.mountpath
    const walk = new Walk(options, { drive, known, beforeMs })
    try {
      for (const name of await readdir(root)) {
        if (name !== RESERVED_NAME) await walk.look(name)
      }
      await walk.look(OWN.partial)
    } catch (error) {
      options.signal.throwIfAborted()
      options.onTrouble(root, error)
    }
  }
}

async function noteRecords({ store, signal }: OrphanOptions): Promise<KnownFiles> {
  const { index, drives } = store
  const objects = drives.reduce(
    (sum, { mountpath }) => sum + index.mountpathTally(mountpath.number).objects,
    0,
  )
  const known = new KnownFiles(objects)
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    signal.throwIfAborted()
    const page = sweepPage(index.databases, start, PAGE_MAX)
    for (const { header } of page.entries) known.add(nameOf(header.mountpath, header))
    start = page.next
    await turn()
  }
  return known
}

/** A file system gives a deleted file's inode to the next one: inode and path must both fit. */
function nameOf(mountpath: number, file: { readonly inode: number; readonly path: string }) {
  return `${mountpath}/${file.inode}/${file.path}`
}

/** A Bloom filter: what was added is always known, a little of what was not is too. */
class KnownFiles {
  readonly #words: Uint32Array

  constructor(objects: number) {
    this.#words = new Uint32Array(Math.max(64, Math.ceil((objects * BITS_PER_OBJECT) / 32)))
  }

  add(name: string): void {
    for (const bit of this.#bits(name)) {
      this.#words[bit >>> 5] = (this.#words[bit >>> 5] ?? 0) | (1 << (bit & 31))
    }
  }

  has(name: string): boolean {
    return this.#bits(name).every(
      (bit) => ((this.#words[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0,
    )
  }

  #bits(name: string): readonly number[] {
    const { high, low } = xxh64(name)
    const bits = this.#words.length * 32
    return Array.from({ length: PROBES }, (_, probe) => (low + probe * high) % bits)
  }
}

class Walk {
  readonly #options: OrphanOptions
  readonly #drive: Drive
  readonly #known: KnownFiles
  readonly #beforeMs: number

  constructor(
    options: OrphanOptions,
    place: { readonly drive: Drive; readonly known: KnownFiles; readonly beforeMs: number },
  ) {
    this.#options = options
    this.#drive = place.drive
    this.#known = place.known
    this.#beforeMs = place.beforeMs
  }

  /** @param path below the mountpath: a file, or a directory with all in it */
  async look(path: string): Promise<void> {
    const { root, number } = this.#drive.mountpath
    const absolute = join(root, path)
    await this.#options.beforeRead({ bytes: 0, files: 1 })
    try {
      const stat = await lstat(absolute)
      if (stat.isDirectory()) return await this.#directory(path)
      if (stat.ctimeMs >= this.#beforeMs) return
      if (this.#known.has(nameOf(number, { inode: stat.ino, path }))) return
    } catch (error) {
      // Removed meanwhile, as objects are.
      if (errorCode(error) === 'ENOENT') return
      throw error
    }
    this.#options.onOrphan(absolute)
  }

  async #directory(path: string): Promise<void> {
    const entries: AsyncIterable<Dirent> = await opendir(join(this.#drive.mountpath.root, path))
    for await (const { name } of entries) await this.look(`${path}/${name}`)
  }
}
