import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FaultNode, type Running } from '../faults/fault-node.ts'
import { Random } from '../faults/random.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { type ArchiveFormat, readByOthers } from './archive-readers.ts'
import { BUCKET, bytesOf, CountingOrigin, keyAt } from './counting-origin.ts'
import { isOver, JobApi } from './prefetch-run.ts'

const DESTINATION = 'shards'

/** How often the archives are looked at, ms. */
const LOOK_MS = 25

/** A kill comes so long after the place of the job for which it waited, at most, ms: in the middle of anything. */
const KILL_AFTER_MS_MAX = 200

export type ArchiveOptions = {
  readonly seed: number
  readonly objects: number
  readonly objectBytes: number
  readonly shardMembers: number
  readonly format: ArchiveFormat
  /** SIGKILLs of the node, at seeded places of the job. */
  readonly kills: number
  readonly say?: (line: string) => void
}

export type ArchiveReport = {
  readonly format: ArchiveFormat
  readonly state: string
  readonly error: string | null
  readonly kills: number
  /** Archives that were looked at right after a kill. */
  readonly seenAfterKills: number
  readonly shards: number
  /** What was wrong with any archive, at any time. */
  readonly violations: readonly string[]
  /** LISTs and reads at the origin so far: of a format after another one, from the cache. */
  readonly listCount: number
  readonly readCount: number
  readonly milliseconds: number
}

/** A node that is started anew after each kill. */
type World = { readonly node: FaultNode; readonly folder: string; running: Running }

/** Objects of an origin are archived, in one format after the other, by a node that is killed again and again. */
export async function archiveRuns(
  options: Omit<ArchiveOptions, 'format'> & { readonly formats: readonly ArchiveFormat[] },
): Promise<readonly ArchiveReport[]> {
  const folder = await temporaryFolder('archive')
  const origin = await CountingOrigin.start(options)
  const node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  try {
    const world = { node, folder: folder.path, running: await node.start() }
    // Otherwise the first look at it would bind it to a bucket of the origin.
    await world.running.client.ask({ method: 'PUT', target: `/${DESTINATION}` })
    const reports: ArchiveReport[] = []
    for (const format of options.formats) {
      const report = await archiveRun(world, { ...options, format })
      const { listCount, readCount } = origin
      reports.push({ ...report, listCount, readCount })
    }
    return reports
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

async function archiveRun(
  world: World,
  options: ArchiveOptions,
): Promise<Omit<ArchiveReport, 'listCount' | 'readCount'>> {
  const { seed, objects, shardMembers, format, say } = options
  const random = new Random(seed, 'archive', format)
  const shards = Math.ceil(objects / shardMembers)
  const checker = new ShardChecker(options, world.folder)
  const startedAt = performance.now()
  const { id } = await new JobApi(world.running.server.url).start({
    kind: 'archive',
    bucket: `aws://${BUCKET}`,
    args: { to: `ais://${DESTINATION}`, name: `s-%06d.${format}`, shardMembers },
  })
  let kills = 0
  for (const place of placesOf(random, options.kills, shards)) {
    const isLeft = await waitForShards(world.running, { id, place, checker })
    if (!isLeft) break
    await new Promise((resolve) => setTimeout(resolve, random.below(KILL_AFTER_MS_MAX)))
    await world.node.kill()
    kills += 1
    world.running = await world.node.start()
    const seen = await checker.checkAll(world.running)
    say?.(`killed after ${place} of ${shards} archives; ${seen} are there`)
  }
  const { state, error } = await new JobApi(world.running.server.url).until(id, isOver)
  const milliseconds = performance.now() - startedAt
  const seenAfterKills = checker.seen
  await checker.checkAll(world.running)
  checker.checkComplete(shards)
  const { violations } = checker
  return { format, state, error, kills, seenAfterKills, shards, violations, milliseconds }
}

/** Waits until so many archives are there. @returns false when the job is over before */
async function waitForShards(
  running: Running,
  wanted: { readonly id: string; readonly place: number; readonly checker: ShardChecker },
): Promise<boolean> {
  const api = new JobApi(running.server.url)
  for (;;) {
    if ((await wanted.checker.list(running)).length >= wanted.place)
      return !isOver(await api.get(wanted.id))
    if (isOver(await api.get(wanted.id))) return false
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** Archives that are there when a kill is prepared, ascending. */
function placesOf(random: Random, kills: number, shards: number): readonly number[] {
  return Array.from({ length: kills }, () => random.below(Math.ceil(shards * 0.7))).sort(
    (a, b) => a - b,
  )
}

/** Looks at the archives that there are, each version of each once. */
class ShardChecker {
  readonly violations: string[] = []
  readonly #options: ArchiveOptions
  readonly #folder: string
  /** Key to ETag. */
  readonly #checked = new Map<string, string>()

  constructor(options: ArchiveOptions, folder: string) {
    this.#options = options
    this.#folder = folder
  }

  get seen(): number {
    return this.#checked.size
  }

  /** The keys of the archives of the format. */
  async list({ client }: Running): Promise<readonly string[]> {
    const listing = await client.ask({ method: 'GET', target: `/${DESTINATION}?list-type=2` })
    if (listing?.status !== 200)
      throw new Error(`the archives cannot be listed: ${listing?.status}`)
    const text = listing.body.toString()
    const keys = [...text.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = '']) => key)
    return keys.filter((key) => key.endsWith(`.${this.#options.format}`))
  }

  /** @returns how many there are */
  async checkAll(running: Running): Promise<number> {
    const { client } = running
    const keys = await this.list(running)
    for (const key of keys) {
      const answer = await client.get(`${DESTINATION}/${key}`)
      if (answer?.status !== 200) {
        this.violations.push(`${key}: listed, and answered with ${answer?.status}`)
        continue
      }
      const etag = String(answer.headers['etag'])
      const before = this.#checked.get(key)
      if (before === etag) continue
      if (before !== undefined) this.violations.push(`${key}: written again with other bytes`)
      this.#checked.set(key, etag)
      await this.#check(key, etag, answer.body)
    }
    return keys.length
  }

  checkComplete(shards: number): void {
    for (let shard = 0; shard < shards; shard++) {
      const key = this.#keyOf(shard)
      if (!this.#checked.has(key)) this.violations.push(`${key}: it is not there`)
    }
    if (this.#checked.size > shards) this.violations.push('there are archives that nobody wanted')
  }

  /** Members in the order of the list, bytes as at the origin, and the tag the MD5 of all of it. */
  async #check(key: string, etag: string, body: Buffer): Promise<void> {
    const shard = Number(/\d{6}/.exec(key)?.[0])
    const { format } = this.#options
    const path = join(this.#folder, `looked-at.${format}`)
    await writeFile(path, body)
    try {
      const found = await readByOthers(format, path)
      const { names, digest } = this.#expected(shard)
      if (found.names.join() !== names.join()) this.violations.push(`${key}: other members`)
      if (found.digest !== digest) this.violations.push(`${key}: other bytes`)
      const md5 = createHash('md5').update(body).digest('hex')
      if (etag !== `"${md5}"`) this.violations.push(`${key}: its tag is not its MD5`)
    } catch (error) {
      this.violations.push(`${key}: ${String(error)}`)
    }
  }

  #expected(shard: number): { readonly names: readonly string[]; readonly digest: string } {
    const { shardMembers, objects, objectBytes } = this.#options
    const from = shard * shardMembers
    const length = Math.min(shardMembers, objects - from)
    const names = Array.from({ length }, (_, at) => keyAt(from + at))
    const hash = createHash('sha256')
    for (const name of names) hash.update(bytesOf(name, objectBytes))
    return { names, digest: hash.digest('hex') }
  }

  #keyOf(shard: number): string {
    return `s-${String(shard).padStart(6, '0')}.${this.#options.format}`
  }
}
