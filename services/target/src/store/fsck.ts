import { Buffer } from 'node:buffer'
import { existsSync, lstatSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { open, opendir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { crc32c, Xxh64Stream } from '@forebay/base/digest'
import { Failure } from '@forebay/base/failure'
import type { ObjectRecord } from './contract.ts'
import { encodeName } from './index-db.ts'
import { OWN, readMarker } from './mountpath.ts'
import { isMarkerTouched, readState } from './mountpath-state.ts'
import { RESERVED_NAME } from './naming.ts'
import { openStore } from './open-store.ts'
import { canHold, fileAt } from './pack-place.ts'
import { lockDirectory } from './process-lock.ts'
import { sweepPage } from './scan.ts'
import type { Drive, StoreContext } from './store-context.ts'

export interface CheckOptions {
  readonly mountpaths: readonly { readonly path: string }[]
  /** Where it stands which mountpaths came and went at run time. */
  readonly mountpathTable?: string | undefined
  readonly indexDir?: string | undefined
  /** Throw the index away and build it from the journals first. */
  readonly rebuild?: boolean | undefined
  /** Read every byte and compare checksums; without it only names, sizes and inodes. */
  readonly verify?: boolean | undefined
  /** Called now and then. */
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CheckProgress {
  readonly recordsChecked: number
  readonly bytesRead: number
}

/** A record or file and what is wrong with it. */
export interface Finding {
  readonly kind:
    | 'missing'
    | 'wrong-file'
    | 'wrong-size'
    | 'wrong-checksum'
    | 'orphan'
    | 'stray-work'
  /** Absolute. */
  readonly path: string
  readonly bucketId?: number | undefined
  readonly key?: string | undefined
}

export interface CheckReport {
  readonly recordCount: number
  readonly partialCount: number
  /** Object files below the mountpaths. */
  readonly fileCount: number
  readonly bytesRead: number
  /** How many of each kind, also those beyond `findings`. */
  readonly counts: Readonly<Record<Finding['kind'], number>>
  /** The first of them. */
  readonly findings: readonly Finding[]
  /** Events of opening the store: what was repaired, set apart or rebuilt. */
  readonly repairs: readonly { readonly event: string; readonly facts: object }[]
}

/** Findings listed by name; the rest is counted. */
export const FINDINGS_MAX = 10_000

const PAGE_MAX = 500
const READ_BYTES = 1024 ** 2

/**
 * Checks a store that no node has open: every record against its file, every file against its
 * record. It changes nothing but what any start repairs, and rebuilds the index where asked to.
 *
 * @throws Failure `setting-invalid` when a node is running on it or it is no mountpath
 */
export async function checkStore(options: CheckOptions): Promise<CheckReport> {
  const repairs: { event: string; facts: object }[] = []
  const stray = strayWorkFiles(options)
  const open = () =>
    openStore({
      mountpaths: options.mountpaths,
      indexDir: options.indexDir,
      mountpathTable: options.mountpathTable,
      clusterId: clusterOf(options),
      clock: systemClock,
      observer: { event: (event, facts) => void repairs.push({ event, facts }) },
      // Without buckets nothing is evicted and nothing written.
      bucketOf: () => undefined,
      lockKey: async () => () => undefined,
    })
  if (options.rebuild === true) {
    const copied = options.mountpaths.some(({ path }) => isMarkerTouched(path, readState(path)))
    // Of a copy only the index knows which files are meant, until the journals were told.
    if (copied) await (await open()).close()
    await removeIndex(options)
  }
  const store = await open()
  try {
    const check = new StoreCheck(store.context, options)
    for (const path of stray) check.report({ kind: 'stray-work', path })
    await check.records()
    await check.files()
    return { ...check.result(), repairs }
  } finally {
    await store.close()
  }
}

class StoreCheck {
  readonly #context: StoreContext
  readonly #options: CheckOptions
  readonly #findings: Finding[] = []
  readonly #counts = {
    missing: 0,
    'wrong-file': 0,
    'wrong-size': 0,
    'wrong-checksum': 0,
    orphan: 0,
    'stray-work': 0,
  }
  /**
   * By mountpath: inodes of records and a digest of their paths. Both must fit, for the file system
   * gives a deleted file's inode to the next one, which may be nobody's.
   */
  readonly #inodes = new Map<number, Map<number, number>>()
  #records = 0
  #partials = 0
  #files = 0
  #bytesRead = 0

  constructor(context: StoreContext, options: CheckOptions) {
    this.#context = context
    this.#options = options
    for (const { mountpath } of context.drives) this.#inodes.set(mountpath.number, new Map())
  }

  report(finding: Finding): void {
    this.#counts[finding.kind] += 1
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(finding)
  }

  async records(): Promise<void> {
    let start: Uint8Array | undefined = encodeName(0, '')
    while (start !== undefined) {
      const page = sweepPage(this.#context.index.databases, start, PAGE_MAX)
      for (const { bucketId, key, header } of page.entries) {
        this.#options.signal?.throwIfAborted()
        this.#records += 1
        if (header.partial) this.#partials += 1
        this.#inodes.get(header.mountpath)?.set(header.inode, digestOfPath(header.path))
        const record = this.#context.index.current(bucketId, key)
        if (record !== undefined) await this.#record(record)
      }
      start = page.next
      this.#options.onProgress?.({ recordsChecked: this.#records, bytesRead: this.#bytesRead })
    }
  }

  async files(): Promise<void> {
    for (const drive of this.#context.drives) {
      for (const name of readdirSync(drive.mountpath.root)) {
        if (name !== RESERVED_NAME) await this.#directory(drive, join(drive.mountpath.root, name))
      }
      await this.#directory(drive, join(drive.mountpath.root, OWN.partial))
    }
  }

  result(): Omit<CheckReport, 'repairs'> {
    return {
      recordCount: this.#records,
      partialCount: this.#partials,
      fileCount: this.#files,
      bytesRead: this.#bytesRead,
      counts: this.#counts,
      findings: this.#findings,
    }
  }

  async #record(record: ObjectRecord): Promise<void> {
    const { location, attributes, bucketId, key } = record
    const drive = this.#context.driveByNumber.get(location.mountpath)
    const root = drive?.mountpath.root ?? `mountpath ${location.mountpath}`
    const { file } = fileAt(location.path)
    const path = join(root, location.path)
    const stat = lstatSync(join(root, file), { throwIfNoEntry: false })
    if (stat === undefined) this.report({ kind: 'missing', path, bucketId, key })
    else if (!stat.isFile() || stat.ino !== location.inode) {
      this.report({ kind: 'wrong-file', path, bucketId, key })
    } else if (!canHold(location.path, attributes.sizeBytes, stat.size)) {
      this.report({ kind: 'wrong-size', path, bucketId, key })
    } else if (this.#options.verify === true && !(await this.#verify(record, root))) {
      this.report({ kind: 'wrong-checksum', path, bucketId, key })
    }
  }

  /** @returns false when a checksum that the store has differs; what has none cannot be judged */
  async #verify(record: ObjectRecord, root: string): Promise<boolean> {
    const { blocks, contentXxh64, location } = record
    const whole = whole32(record)
    if (blocks === undefined && contentXxh64 === undefined && whole === undefined) return true
    const place = fileAt(location.path)
    const file = await open(join(root, place.file), 'r')
    try {
      if (blocks !== undefined) return await this.#verifyBlocks(file, record)
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      const stream = new Xxh64Stream()
      let crc = 0
      for (let at = 0; at < record.attributes.sizeBytes; ) {
        this.#options.signal?.throwIfAborted()
        const wanted = Math.min(buffer.length, record.attributes.sizeBytes - at)
        const { bytesRead } = await file.read(buffer, 0, wanted, place.offset + at)
        if (bytesRead === 0) return false
        stream.update(buffer.subarray(0, bytesRead))
        if (whole !== undefined) crc = crc32c(buffer.subarray(0, bytesRead), crc)
        at += bytesRead
        this.#bytesRead += bytesRead
      }
      if (whole !== undefined && crc !== whole) return false
      return contentXxh64 === undefined || stream.hex() === contentXxh64
    } finally {
      await file.close()
    }
  }

  async #verifyBlocks(
    file: Awaited<ReturnType<typeof open>>,
    { blocks, attributes }: ObjectRecord,
  ): Promise<boolean> {
    if (blocks === undefined) return true
    const buffer = Buffer.allocUnsafe(blocks.blockBytes)
    for (const [at, crc] of blocks.crcs.entries()) {
      if (crc < 0) continue
      const offset = at * blocks.blockBytes
      const length = Math.min(blocks.blockBytes, attributes.sizeBytes - offset)
      const { bytesRead } = await file.read(buffer, 0, length, offset)
      this.#bytesRead += bytesRead
      if (bytesRead !== length || crc32c(buffer.subarray(0, length)) !== crc) return false
    }
    return true
  }

  async #directory(drive: Drive, path: string): Promise<void> {
    if (lstatSync(path).isSymbolicLink()) return
    const stat = lstatSync(path)
    if (!stat.isDirectory()) {
      this.#files += 1
      const { root, number } = drive.mountpath
      const known = this.#inodes.get(number)?.get(stat.ino)
      if (known !== digestOfPath(relative(root, path))) this.report({ kind: 'orphan', path })
      return
    }
    for await (const entry of await opendir(path)) {
      this.#options.signal?.throwIfAborted()
      await this.#directory(drive, join(path, entry.name))
    }
  }
}

/** The CRC-32C of all bytes, where the object has one. */
function whole32(record: ObjectRecord): number | undefined {
  const found = record.attributes.checksums.find(
    ({ algorithm, kind }) => algorithm === 'crc32c' && kind === 'whole',
  )
  return found === undefined ? undefined : Number.parseInt(found.hex, 16)
}

function clusterOf(options: CheckOptions): string {
  for (const { path } of options.mountpaths) {
    const marker = readMarker(path)
    if (marker !== undefined) return marker.cluster
    throw new Failure('setting-invalid', `${path} is not a mountpath: it has no marker`)
  }
  throw new Failure('setting-invalid', 'no mountpath was given')
}

/** Work files that a dead process left; the start that follows removes them. */
function strayWorkFiles(options: CheckOptions): readonly string[] {
  clusterOf(options)
  const there = options.mountpaths.filter(({ path }) => existsSync(join(path, OWN.work)))
  return there.flatMap(({ path }) =>
    readdirSync(join(path, OWN.work)).map((name) => join(path, OWN.work, name)),
  )
}

async function removeIndex(options: CheckOptions): Promise<void> {
  const [first] = options.mountpaths
  if (first === undefined) return
  const own = join(realpathSync(first.path), RESERVED_NAME)
  // Refuses while a node has the store open: its index must not vanish under it.
  const lock = await lockDirectory(own)
  try {
    rmSync(options.indexDir ?? join(own, 'index'), { recursive: true, force: true })
  } finally {
    await lock.release()
  }
}

/** @param path below the mountpath */
function digestOfPath(path: string): number {
  return crc32c(Buffer.from(path))
}
