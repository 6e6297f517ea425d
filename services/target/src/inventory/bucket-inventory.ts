import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '@forebay/base/failure'
import type { ListedObject } from '@forebay/model/object'
import type { InventoryFacts } from '@forebay/peer/inventory-port'
import { bootId } from '../os/libc.ts'
import { replaceFile } from '../store/replace-file.ts'
import { Changes } from './changes.ts'
import {
  type ChunkPlace,
  indexNames,
  type NamesIndex,
  NamesReader,
  writeChunk,
} from './names-file.ts'
import { firstNotBefore } from './sorted-keys.ts'

const MANIFEST = 'manifest.json'

/** The changes before there is a snapshot. */
const FIRST_CHANGES = 'first.changes'

/** Of the files; a snapshot in another form is not used, and the next one replaces it. */
const FORMAT = 2

/** Chunks in memory: a page of a list touches three, the one that is read ahead among them. */
const CHUNKS_HELD = 8

interface Manifest {
  readonly format: number
  readonly build: string
  readonly asOfMs: number
  /** Older, it is used no longer; ms. */
  readonly maxAgeMs: number
  readonly objects: number
  readonly objectBytes: number
  readonly fileBytes: number
}

/** A snapshot in use. Its files never change. */
export interface Snapshot extends Manifest {
  readonly chunks: readonly ChunkPlace[]
  chunk(at: number): Promise<readonly ListedObject[]>
  /** Begins to read a chunk that will be asked for; nothing is said of what goes wrong. */
  readAhead(at: number): void
  /** The file of its names is closed: nothing can be read any more. */
  close(): Promise<void>
}

/** What a build is to become. */
export interface BuildEnd {
  readonly build: string
  readonly bytes: number
  readonly asOfMs: number
  readonly maxAgeMs: number
  readonly signal: AbortSignal
  /** Called right before it takes effect. */
  check(): void
}

/** The inventory of one bucket on this node: a snapshot, what changed since, and maybe the next one. */
export class BucketInventory {
  readonly #directory: string
  readonly #changes: Changes
  #snapshot: Snapshot | undefined
  /** The machine went down without a word: what it noted last may be lost. */
  #isDoubtful: boolean

  private constructor(directory: string, manifest: Manifest | undefined) {
    this.#directory = directory
    const index =
      manifest &&
      readJson<{ boot?: string; chunks: ChunkPlace[] }>(this.#file(manifest.build, 'index'))
    this.#snapshot =
      manifest && index && snapshotOf(manifest, index.chunks, this.#file(manifest.build, 'names'))
    const name = manifest === undefined ? FIRST_CHANGES : `${manifest.build}.changes`
    this.#changes = Changes.open(join(directory, name))
    const boot = readJson<{ boot: string }>(join(directory, 'boot.json'))
    this.#isDoubtful = boot !== undefined && boot.boot !== 'stopped' && boot.boot !== bootId()
  }

  static async open(directory: string): Promise<BucketInventory> {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const manifest = readJson<Manifest>(join(directory, MANIFEST))
    const isOurs = manifest?.format === FORMAT
    const inventory = new BucketInventory(directory, isOurs ? manifest : undefined)
    if (inventory.#isDoubtful) inventory.#changes.lose()
    await inventory.#noteBoot(bootId() ?? 'unknown')
    return inventory
  }

  get changes(): Changes {
    return this.#changes
  }

  /**
   * The snapshot that may be listed from at this time, wall clock in ms. One of a time that has not come
   * is of a clock that was wrong: how old it is nobody knows.
   */
  usable(nowMs: number): Snapshot | undefined {
    const snapshot = this.#snapshot
    if (snapshot === undefined || this.#changes.isLost) return undefined
    return Math.abs(nowMs - snapshot.asOfMs) <= snapshot.maxAgeMs ? snapshot : undefined
  }

  /** @param nowMs wall clock, ms */
  factsAt(nowMs: number): InventoryFacts | undefined {
    const snapshot = this.#snapshot
    if (snapshot === undefined) return undefined
    const { objects, objectBytes: bytes, asOfMs, fileBytes, maxAgeMs } = snapshot
    const isUsable = this.usable(nowMs) !== undefined
    return {
      objects,
      bytes,
      asOfMs,
      fileBytes,
      changedKeys: this.#changes.size,
      maxAgeMs,
      isUsable,
    }
  }

  /** The build that was published last. */
  get published(): string | undefined {
    return this.#snapshot?.build
  }

  /** A file that cannot be read: it is used no longer. */
  async giveUp(): Promise<void> {
    await this.#replaceSnapshot(undefined)
  }

  /** Begins the next snapshot, and removes what another one left that never came to its end. */
  async beginBuild(build: string): Promise<void> {
    this.#changes.beginBuild(build)
    await this.#sweep(build)
  }

  /**
   * Adds the names of a page.
   *
   * @returns bytes of the file then
   * @throws Failure `job-state-invalid` where another build was begun since
   */
  async addPage(build: string, bytes: number, objects: readonly ListedObject[]): Promise<number> {
    this.#checkBuild(build)
    return bytes + (await writeChunk(this.#file(build, 'names'), bytes, objects))
  }

  /** Takes the build for the snapshot, whole or not at all. Does nothing the second time. */
  async publish(end: BuildEnd): Promise<void> {
    const { build, bytes, asOfMs, maxAgeMs, signal } = end
    if (this.published === build) return
    this.#checkBuild(build)
    const names = this.#file(build, 'names')
    const index: NamesIndex = bytes === 0 ? NOTHING : await indexNames(names, bytes, signal)
    const { chunks, ...counts } = index
    await replaceFile(this.#file(build, 'index'), JSON.stringify({ chunks }))
    const { since } = this.#checkBuild(build)
    end.check()
    const manifest = { format: FORMAT, build, asOfMs, maxAgeMs, ...counts }
    // Nothing may be noted between these steps: they are synchronous, and a few files of a few names.
    const changes = this.#file(build, 'changes')
    this.#changes.prepare(changes, since)
    replaceNow(this.#directory, MANIFEST, JSON.stringify(manifest))
    this.#changes.adopt(changes, since)
    await this.#replaceSnapshot(snapshotOf(manifest, chunks, names))
    await this.#sweep(build)
  }

  async close(): Promise<void> {
    this.#changes.close()
    await this.#replaceSnapshot(undefined)
    await this.#noteBoot('stopped')
  }

  /** It takes effect at once; what is waited for is the end of reads of the one before. */
  async #replaceSnapshot(snapshot: Snapshot | undefined): Promise<void> {
    const before = this.#snapshot
    this.#snapshot = snapshot
    await before?.close()
  }

  #checkBuild(build: string): { readonly since: number } {
    const { building } = this.#changes
    if (building?.build === build) return building
    throw new Failure('job-state-invalid', 'another inventory of the bucket was begun meanwhile')
  }

  #file(build: string, kind: 'names' | 'index' | 'changes'): string {
    return join(this.#directory, `${build}.${kind}`)
  }

  #noteBoot(boot: string): Promise<void> {
    const path = join(this.#directory, 'boot.json')
    return replaceFile(path, JSON.stringify({ boot }))
  }

  async #sweep(build: string): Promise<void> {
    const kept = [build, this.published].map((id) => `${id}.`)
    const own = [MANIFEST, 'boot.json']
    if (this.published === undefined) own.push(FIRST_CHANGES)
    for (const name of await readdir(this.#directory)) {
      if (own.includes(name) || kept.some((start) => name.startsWith(start))) continue
      await rm(join(this.#directory, name), { force: true })
    }
  }
}

const NOTHING: NamesIndex = { objects: 0, objectBytes: 0, fileBytes: 0, chunks: [] }

/** Position of the chunk that has the key or the names around it. */
export function chunkOf(chunks: readonly ChunkPlace[], key: string): number {
  const at = firstNotBefore(chunks.length, (position) => chunks[position]?.first, key)
  return chunks[at]?.first === key ? at : Math.max(0, at - 1)
}

function snapshotOf(manifest: Manifest, chunks: readonly ChunkPlace[], path: string): Snapshot {
  const reader = new NamesReader(path)
  const held = new Map<number, Promise<readonly ListedObject[]>>()
  const chunk = (at: number): Promise<readonly ListedObject[]> => {
    const known = held.get(at)
    if (known !== undefined) return known
    const place = chunks[at]
    const read = place === undefined ? Promise.resolve([]) : reader.read(place)
    held.set(at, read)
    read.catch(() => held.delete(at))
    for (const oldest of held.keys()) {
      if (held.size <= CHUNKS_HELD) break
      held.delete(oldest)
    }
    return read
  }
  return {
    ...manifest,
    ...{ chunks, chunk },
    readAhead: (at) => {
      if (at < chunks.length) chunk(at).catch(() => undefined)
    },
    close: () => reader.close(),
  }
}

function replaceNow(directory: string, name: string, text: string): void {
  const path = join(directory, name)
  const fd = openSync(`${path}.new`, 'w', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(`${path}.new`, path)
  const folder = openSync(directory, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function readJson<T>(path: string): T | undefined {
  try {
    const document: T = JSON.parse(readFileSync(path, 'utf8'))
    return document
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
