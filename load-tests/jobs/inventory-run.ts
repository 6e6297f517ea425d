import { join } from 'node:path'
import { FaultNode } from '../faults/fault-node.ts'
import { Random } from '../faults/random.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, bytesOf, CountingOrigin, keyAt } from './counting-origin.ts'
import { type Cost, costOf } from './helper-process.ts'
import { type PageTimes, timePages } from './list-pages.ts'
import { isOver, JobApi } from './prefetch-run.ts'

/** Bytes of an object that the origin tells of. */
const OBJECT_BYTES = 64

/** Pages of the origin that are timed: all take the same. */
const ORIGIN_PAGES_MAX = 200

export type InventoryOptions = {
  readonly seed: number
  readonly keys: number
  /** How long the origin takes for one page, ms. */
  readonly listMs: number
  /** SIGKILLs of the node while the list is read. */
  readonly kills: number
  /** Keys that are written, and as many that are deleted, through the node. */
  readonly changes: number
  readonly say?: (line: string) => void
}

export type InventoryReport = {
  /** LISTs of the pass, those that a kill broke off among them. */
  readonly buildLists: number
  readonly buildMs: number
  /** Of one page of 1,000 keys at the origin, directly, and from the inventory through the node, ms. */
  readonly originPageMs: number
  readonly inventoryPageMs: number
  /** What the node was on a CPU for one page of the inventory, ms. */
  readonly cpuPageMs: number
  /** LISTs at the origin while the inventory was listed. */
  readonly listsMeanwhile: number
  /** What was listed is what the origin has: as built, after changes, and after the refresh. */
  readonly isComplete: boolean
  readonly isCurrent: boolean
  readonly isRefreshed: boolean
  readonly kills: number
}

/** An inventory of a bucket whose node is killed midway, what changes then, and the next inventory. */
export async function inventoryRun(options: InventoryOptions): Promise<InventoryReport> {
  const { keys, listMs, changes, say } = options
  const random = new Random(options.seed, 'inventory')
  const folder = await temporaryFolder('inventory')
  const origin = await CountingOrigin.start({ objects: keys, objectBytes: OBJECT_BYTES, listMs })
  const node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  try {
    let { url, pid } = (await node.start()).server
    const begunAt = performance.now()
    const order = { kind: 'inventory', bucket: `aws://${BUCKET}`, args: {} }
    const { id } = await new JobApi(url).start(order)
    const pages = Math.ceil(keys / 1000)
    for (let kills = 0; kills < options.kills; kills++) {
      const place = Math.floor((pages * (kills + random.next())) / options.kills)
      await reaches(() => origin.listCount >= Math.min(place, pages - 1))
      await node.kill()
      say?.(`killed at page ${origin.listCount} of ${pages}`)
      ;({ url, pid } = (await node.start()).server)
    }
    await finish(url, id)
    const buildMs = performance.now() - begunAt
    const buildLists = origin.listCount

    const originTimes = await timePages(`${origin.url}/${BUCKET}`, ORIGIN_PAGES_MAX)
    const before = origin.listCount
    await setListFrom(url)
    const { times, cost } = await timeInventory({ url, pid }, pages)
    const built = await listAll(url)
    const listsMeanwhile = origin.listCount - before
    const isComplete = times.keys === keys && same(built, origin)

    for (let at = 0; at < changes; at++) {
      await change(url, 'PUT', keyAt(keys + at))
      await change(url, 'DELETE', keyAt(random.below(keys)))
    }
    const isCurrent = same(await listAll(url), origin)
    origin.objects += 10
    await finish(url, await createInventory(url))
    return {
      ...{ buildLists, buildMs, listsMeanwhile, isComplete, isCurrent, kills: options.kills },
      originPageMs: originTimes.ms / originTimes.pages,
      inventoryPageMs: times.ms / times.pages,
      cpuPageMs: (1000 * cost.cpuSeconds) / times.pages,
      isRefreshed: same(await listAll(url), origin),
    }
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

async function reaches(isThere: () => boolean): Promise<void> {
  while (!isThere()) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function finish(url: string, id: string): Promise<void> {
  const job = await new JobApi(url).until(id, isOver)
  if (job.state !== 'finished') throw new Error(`the job is ${job.state}: ${job.error}`)
}

async function timeInventory(
  { url, pid }: { readonly url: string; readonly pid: number },
  pages: number,
): Promise<{ readonly times: PageTimes; readonly cost: Cost }> {
  let times: PageTimes = { pages: 0, keys: 0, ms: 0 }
  const cost = await costOf(pid, async () => {
    times = await timePages(`${url}/${BUCKET}`, pages)
  })
  return { times, cost }
}

/** Names of a bucket by S3's list, page after page. */
async function listAll(url: string): Promise<readonly string[]> {
  const names: string[] = []
  let token = ''
  for (;;) {
    const response = await fetch(`${url}/${BUCKET}?list-type=2${token}`)
    const text = await response.text()
    if (response.status !== 200)
      throw new Error(`a list is answered with ${response.status}: ${text}`)
    for (const [, name] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) names.push(name ?? '')
    const next = /<NextContinuationToken>([^<]*)</.exec(text)?.[1]
    if (next === undefined) return names
    token = `&continuation-token=${encodeURIComponent(next)}`
  }
}

/** As AIStore's clients order it. @returns the id of the job */
async function createInventory(url: string): Promise<string> {
  const response = await fetch(`${url}/v1/buckets/${BUCKET}?provider=aws`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ action: 'create-inventory', value: {} }),
  })
  if (!response.ok) throw new Error(`the action is refused: ${await response.text()}`)
  return response.text()
}

async function setListFrom(url: string): Promise<void> {
  const response = await fetch(`${url}/v1/buckets/${BUCKET}?provider=aws`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      action: 'set-bprops',
      value: { forebay: { listFrom: 'inventory' } },
    }),
  })
  if (!response.ok) throw new Error(`the property is refused: ${await response.text()}`)
}

async function change(url: string, method: 'PUT' | 'DELETE', key: string): Promise<void> {
  const body = method === 'PUT' ? { body: bytesOf(key, OBJECT_BYTES) } : {}
  const response = await fetch(`${url}/${BUCKET}/${key}`, { method, ...body })
  if (!response.ok) throw new Error(`${method} ${key}: ${response.status}`)
}

function same(names: readonly string[], origin: CountingOrigin): boolean {
  const all = Array.from({ length: origin.objects }, (_, at) => keyAt(at))
  const others = all.filter((key) => !origin.gone.has(key))
  return names.length === others.length && names.every((name, at) => name === others[at])
}
