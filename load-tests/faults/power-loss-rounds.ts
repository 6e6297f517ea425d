import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../testkit/servers.ts'
import { type BodyName, describeBytes, makeBody } from './bodies.ts'
import { FaultNode, NATIVE, REMOTE, type Running } from './fault-node.ts'
import { LoopDisk } from './loop-disk.ts'
import { type Answer, isDone, type S3Client } from './s3-client.ts'
import { S3Origin } from './s3-origin.ts'

/** Objects that are acknowledged before the power goes. */
const OBJECTS = 100

/** Requests at a time. */
const CLIENTS = 8

/** Writers that are in the middle of something when the power goes. */
const LATE_WRITERS = 4

/** A disk that takes that many writes of a writer is not dead. */
const LATE_WRITES_MAX = 1000

const DISK_BYTES = 768 * 1024 ** 2
const PART_BYTES = 5 * 1024 ** 2
const BLOCK_BYTES = 64 * 1024

/** Interval of the sync marks, ms: some entries are older than the last mark, some younger. */
const SYNC_INTERVAL_MS = 300

/** What is asked of one key, in turn. */
const NATIVE_KINDS = [0, 1, 4096, 65_536, 6 * 1024 ** 2, 'multipart', 'overwrite', 'copy', 'delete']
const REMOTE_KINDS = [
  ...['fill', 'sparse', 'write', 'overwrite', 'delete', 'copy'],
  ...['small', 'small', 'small-dropped', 'small-dropped'],
] as const

/** Of objects that share a file, bytes. */
const SMALL_BYTES = [1, 4096, 20_000, 65_536] as const

/** What came of the objects of one round. */
export type PowerLossReport = {
  readonly intact: number
  /** Lost, torn, mixed or stale, each with its key. Wanted: none. */
  readonly wrong: readonly string[]
  /** Writers that the dead disk has stopped. */
  readonly refusedAfterwards: number
}

/** One key and what it must hold; undefined for nothing. */
type Expected = { readonly key: string; readonly body: BodyName | undefined }

/** A node on a disk of its own whose power is cut, and what it holds after the restart. */
export async function powerLossRound(
  bucket: typeof NATIVE | typeof REMOTE,
  seed: number,
): Promise<PowerLossReport> {
  const folder = await temporaryFolder('power-loss')
  const origin = await S3Origin.start()
  let disk: LoopDisk | undefined
  let node: FaultNode | undefined
  try {
    disk = await LoopDisk.create(folder.path, DISK_BYTES)
    const dataDir = join(disk.path, 'node')
    await mkdir(dataDir)
    const args = ['--set', `store.syncInterval=${SYNC_INTERVAL_MS}ms`]
    node = new FaultNode({ dataDir, originUrl: origin.url, args })
    const round = new Round({ bucket, seed, origin })
    await round.work(await node.start(), disk)
    await node.kill()
    await disk.unmount()
    await disk.mount()
    return await round.check((await node.start()).client)
  } finally {
    await node?.kill()
    await disk?.remove()
    await origin.close()
    await folder.remove()
  }
}

class Round {
  readonly #bucket: typeof NATIVE | typeof REMOTE
  readonly #seed: number
  readonly #origin: S3Origin
  readonly #expected: Expected[] = []
  /** Small ones whose copies are dropped just before the power goes: what a hole leaves is not to be read. */
  readonly #dropped: string[] = []
  /** Writes under way when the power went: whole or not there. */
  readonly #late: (Expected & { readonly acknowledged: boolean })[] = []

  constructor(options: {
    readonly bucket: typeof NATIVE | typeof REMOTE
    readonly seed: number
    readonly origin: S3Origin
  }) {
    this.#bucket = options.bucket
    this.#seed = options.seed
    this.#origin = options.origin
  }

  /** Has every object acknowledged, then cuts the power at once, with writers in the middle. */
  async work({ client }: Running, disk: LoopDisk): Promise<void> {
    await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
    await this.#write(client, this.#body('source', 0, 4096))
    if (this.#bucket === REMOTE) {
      const forebay = { blockSize: `${BLOCK_BYTES}B`, sparseThreshold: `${BLOCK_BYTES}B` }
      await client.changeBucket(REMOTE, { action: 'set-bprops', value: { forebay } })
    }
    const indices = Array.from({ length: OBJECTS }).keys()
    const clients = Array.from({ length: CLIENTS }, async () => {
      for (const index of indices) {
        this.#expected.push(
          this.#bucket === NATIVE
            ? await this.#workNative(client, index)
            : await this.#workRemote(client, index),
        )
      }
    })
    const late = Array.from({ length: LATE_WRITERS }, (_, index) => this.#writeLate(client, index))
    await Promise.all(clients)
    for (const path of this.#dropped) must(await client.evict(path))
    await disk.cutPower()
    await Promise.all(late)
  }

  async check(client: S3Client): Promise<PowerLossReport> {
    const wrong: string[] = []
    let intact = 0
    for (const { key, body } of this.#expected) {
      const answer = await client.get(`${this.#bucket}/${key}`)
      const trouble = judge(answer, body)
      if (trouble === undefined) intact += 1
      else wrong.push(`${key}: ${trouble}`)
    }
    for (const { key, body, acknowledged } of this.#late) {
      const answer = await client.get(`${this.#bucket}/${key}`)
      const trouble = judge(answer, body)
      const isAbsent = answer?.status === 404
      if (trouble !== undefined && (acknowledged || !isAbsent)) wrong.push(`${key}: ${trouble}`)
    }
    if (this.#bucket === REMOTE) wrong.push(...(await this.#compareAgain(client)))
    const refusedAfterwards = this.#late.filter(({ acknowledged }) => !acknowledged).length
    return { intact, wrong, refusedAfterwards }
  }

  /** What the first reads have put back into the cache is right, too. */
  async #compareAgain(client: S3Client): Promise<readonly string[]> {
    const wrong: string[] = []
    for (const { key } of [...this.#expected, ...this.#late]) {
      const stored = this.#origin.get(`${REMOTE}/${key}`)?.bytes
      const answer = await client.get(`${REMOTE}/${key}`)
      const same =
        stored === undefined ? answer?.status === 404 : answer?.body.equals(stored) === true
      if (!same) wrong.push(`${key}: ${answer?.status} is not what the origin has`)
    }
    return wrong
  }

  async #workNative(client: S3Client, index: number): Promise<Expected> {
    const kind = NATIVE_KINDS[index % NATIVE_KINDS.length]
    const key = `${kind}-${index}`
    if (typeof kind === 'number') return this.#write(client, this.#body(key, 1, kind))
    if (kind === 'multipart') return this.#writeParts(client, this.#body(key, 1, PART_BYTES + 999))
    return this.#replace(client, key, String(kind))
  }

  async #workRemote(client: S3Client, index: number): Promise<Expected> {
    const kind = REMOTE_KINDS[index % REMOTE_KINDS.length] ?? 'fill'
    const key = `${kind}-${index}`
    const path = `${REMOTE}/${key}`
    if (kind === 'write') return this.#write(client, this.#body(key, 1, 200_000))
    if (kind === 'small' || kind === 'small-dropped') return this.#fillSmall(client, index, kind)
    if (kind !== 'fill' && kind !== 'sparse') return this.#replace(client, key, kind)
    const body = this.#body(key, 1, 4 * BLOCK_BYTES - 7)
    this.#origin.put(path, makeBody(body))
    const range = { first: BLOCK_BYTES + 5, last: 2 * BLOCK_BYTES + 5 }
    must(await (kind === 'fill' ? client.get(path) : client.get(path, range)))
    return { key, body }
  }

  async #fillSmall(client: S3Client, index: number, kind: string): Promise<Expected> {
    const key = `${kind}-${index}`
    const path = `${REMOTE}/${key}`
    const body = this.#body(key, 1, SMALL_BYTES[index % SMALL_BYTES.length] ?? 0)
    this.#origin.put(path, makeBody(body))
    must(await client.get(path))
    if (kind === 'small-dropped') this.#dropped.push(path)
    return { key, body }
  }

  /** A first version, and then what replaces it. */
  async #replace(client: S3Client, key: string, kind: string): Promise<Expected> {
    const path = `${this.#bucket}/${key}`
    await this.#write(client, this.#body(key, 1, 70_000))
    if (kind === 'overwrite') return this.#write(client, this.#body(key, 2, 65_000))
    if (kind === 'delete') {
      must(await client.delete(path))
      return { key, body: undefined }
    }
    must(await client.copy(`${this.#bucket}/source`, path))
    return { key, body: this.#body('source', 0, 4096) }
  }

  async #write(client: S3Client, body: BodyName): Promise<Expected> {
    must(await client.put(`${this.#bucket}/${body.key}`, makeBody(body)))
    return { key: body.key, body }
  }

  async #writeParts(client: S3Client, body: BodyName): Promise<Expected> {
    const path = `${this.#bucket}/${body.key}`
    const uploadId = (await client.createUpload(path)) ?? ''
    const bytes = makeBody(body)
    const upload = { path, uploadId }
    const first = await client.writePart(upload, 1, bytes.subarray(0, PART_BYTES))
    const second = await client.writePart(upload, 2, bytes.subarray(PART_BYTES))
    must(await client.completeUpload(upload, [first ?? '', second ?? '']))
    return { key: body.key, body }
  }

  /** Writes until the dead disk refuses. */
  async #writeLate(client: S3Client, writer: number): Promise<void> {
    for (let count = 0; count < LATE_WRITES_MAX; count++) {
      const body = this.#body(`late-${writer}-${count}`, 1, 150_000)
      const answer = await client.put(`${this.#bucket}/${body.key}`, makeBody(body))
      const acknowledged = isDone(answer)
      this.#late.push({ key: body.key, body, acknowledged })
      if (!acknowledged) return
    }
  }

  #body(key: string, version: number, sizeBytes: number): BodyName {
    return { seed: this.#seed, key, version, sizeBytes }
  }
}

/** @returns what is wrong with the answer; undefined when it is the version that it must be */
function judge(answer: Answer | undefined, body: BodyName | undefined): string | undefined {
  if (answer === undefined) return 'no answer'
  if (body === undefined) {
    return answer.status === 404 ? undefined : `${answer.status} for a deleted key`
  }
  if (answer.status !== 200) return `${answer.status}`
  if (answer.body.equals(makeBody(body))) return undefined
  const versions = [body, { ...body, version: 1, sizeBytes: 70_000 }]
  return `200 with ${describeBytes(answer.body, versions)}`
}

function must(answer: Answer | undefined): void {
  if (isDone(answer)) return
  throw new Error(`a request failed before the power did: ${answer?.status} ${answer?.body}`)
}
