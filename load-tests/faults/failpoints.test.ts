import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { describeBytes, makeBody } from './bodies.ts'
import { FaultNode, NATIVE, REMOTE } from './fault-node.ts'
import { isDone, type S3Client } from './s3-client.ts'
import { S3Origin } from './s3-origin.ts'
import { BLOCK_BYTES, SCENARIOS, type Scenario, type Site, type State } from './scenarios.ts'

const OLD_BYTES = 20_001
const NEW_BYTES = 30_001
/** Several blocks, so that a part of it can be read alone. */
const SEEDED_BYTES = 4 * BLOCK_BYTES - 1000

type Case = { readonly scenario: Scenario; readonly point: string; readonly site: Site }

const CASES: readonly Case[] = SCENARIOS.flatMap((scenario) =>
  scenario.points.map((point) => ({ scenario, point, site: siteOf(scenario, point) })),
)

function siteOf({ name, bucket, seeded }: Scenario, point: string): Site {
  const key = `${name} ${point}`.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()
  const body = { seed: 1, key: `${bucket}/${key}` }
  return {
    bucket,
    key,
    old: { ...body, version: 1, sizeBytes: OLD_BYTES },
    new: { ...body, version: 2, sizeBytes: seeded === true ? SEEDED_BYTES : NEW_BYTES },
  }
}

/** A case after its kill, until it was looked at. */
type Crashed = Case & { readonly acknowledged: boolean }

/** Points that a read of a remote bucket does not pass. */
const NOT_READING = /^(write|unsettled|backend):/

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: S3Origin

beforeAll(async () => {
  folder = await temporaryFolder('failpoints')
  origin = await S3Origin.start()
})

afterAll(async () => {
  await origin?.close()
  await folder?.remove()
})

test.concurrent.each(SCENARIOS)(
  '$bucket bucket: $name, killed at each of its steps, is done or as before, whole',
  async (scenario) => {
    const dataDir = join(folder.path, `${scenario.bucket}-${scenario.name.replaceAll(' ', '-')}`)
    const node = new FaultNode({ dataDir, originUrl: origin.url })
    const cases = CASES.filter((each) => each.scenario === scenario)
    try {
      await prepare(node, cases)
      await crashThrough(node, cases)
    } finally {
      await node.kill()
    }
  },
)

/** Makes the state before of all cases, in peace. */
async function prepare(node: FaultNode, cases: readonly Case[]): Promise<void> {
  const { client } = await node.start()
  await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  await client.put(`${REMOTE}/first-use`, Buffer.alloc(0))
  await client.changeBucket(REMOTE, {
    action: 'set-bprops',
    value: { forebay: { blockSize: '64KiB', sparseThreshold: '64KiB' } },
  })
  for (const { scenario, site } of cases) {
    if (scenario.seeded === true) origin.put(`${site.bucket}/${site.key}`, makeBody(site.new))
    await scenario.prepare?.(client, site)
  }
  expect(await node.stop()).toBe(0)
}

/**
 * One kill after the other on one data directory, each case with a key of its own. The start that
 * arms a case recovers from the one before, which is looked at then if reading passes no armed point,
 * and at the end in any case.
 */
async function crashThrough(node: FaultNode, cases: readonly Case[]): Promise<void> {
  const crashed: Crashed[] = []
  for (const each of cases) {
    const [name = '', hit = '1'] = each.point.split('@')
    const running = await node.start(`${name}=kill@${hit}`)
    expect(await node.workFiles()).toEqual([])
    const last = crashed.at(-1)
    const mayRead = each.site.bucket === NATIVE || NOT_READING.test(name)
    if (last !== undefined && mayRead) await check(running.client, last)
    const answer = await each.scenario.act(running, each.site)
    const told = `${answer?.status} ${answer?.body.subarray(0, 300)}`
    expect(await node.died(), `the process passes ${each.point}; it said ${told}`).toBe(true)
    await origin.quiet()
    crashed.push({ ...each, acknowledged: isDone(answer) })
  }
  const { client } = await node.start()
  expect(await node.workFiles()).toEqual([])
  for (const each of crashed) {
    const { scenario, site } = each
    const found = await check(client, each)
    // A second read is answered from what the first one left in the cache.
    expect(await check(client, each)).toBe(found)
    if (scenario.again === undefined) continue
    expect(isDone(await scenario.again(client, site, found))).toBe(true)
    expect(await look(client, site)).toBe(scenario.after)
  }
}

/** Reads the key and judges what it holds. */
async function check(client: S3Client, crashed: Crashed): Promise<State> {
  const { scenario, site, point, acknowledged } = crashed
  const found = await look(client, site)
  const allowed = acknowledged ? [scenario.after] : [scenario.before, scenario.after]
  expect(allowed, `killed at ${point}`).toContain(found)
  if (site.bucket === REMOTE) expect(found, `killed at ${point}`).toBe(truth(site))
  else expect(await isListed(client, site)).toBe(found !== 'absent')
  return found
}

/** What the node answers for the key. Bytes of no version fail the test and are described. */
async function look(client: S3Client, site: Site): Promise<State> {
  const answer = await client.get(`${site.bucket}/${site.key}`)
  if (answer?.status === 404) return 'absent'
  expect(answer?.status, `GET of ${site.key}`).toBe(200)
  return nameBytes(answer?.body ?? Buffer.alloc(0), site)
}

function nameBytes(bytes: Buffer, site: Site): State {
  if (bytes.equals(makeBody(site.old))) return 'old'
  if (bytes.equals(makeBody(site.new))) return 'new'
  throw new Error(`${site.key}: ${describeBytes(bytes, [site.old, site.new])}`)
}

function truth(site: Site): State {
  const stored = origin.get(`${site.bucket}/${site.key}`)
  return stored === undefined ? 'absent' : nameBytes(stored.bytes, site)
}

async function isListed(client: S3Client, { bucket, key }: Site): Promise<boolean> {
  const answer = await client.ask({ method: 'GET', target: `/${bucket}?list-type=2&prefix=${key}` })
  expect(answer?.status).toBe(200)
  return answer?.body.includes(`<Key>${key}</Key>`) ?? false
}
