import assert from 'node:assert/strict'
import { describeBytes, makeBody } from './bodies.ts'
import { type FaultNode, NATIVE, REMOTE } from './fault-node.ts'
import { isDone, type S3Client } from './s3-client.ts'
import { BLOCK_BYTES, type Scenario, type Site, type State } from './scenarios.ts'

const OLD_BYTES = 20_001
const NEW_BYTES = 30_001
/** Several blocks, so that a part of it can be read alone. */
const SEEDED_BYTES = 4 * BLOCK_BYTES - 1000

/** One point of one scenario, with a key of its own. */
export type Case = { readonly scenario: Scenario; readonly point: string; readonly site: Site }

/** The store behind the remote bucket, as it is without Forebay. */
export type Truth = {
  /** Stores an object behind everybody's back. */
  put(path: string, bytes: Buffer): void
  /** The bytes that it has now, by `bucket/key`. */
  read(path: string): Promise<Buffer | undefined>
  /** Resolves when what came in whole has been applied. */
  quiet(): Promise<void>
}

/** A case after its kill, until it was looked at. */
type Crashed = Case & { readonly acknowledged: boolean }

/** Points that a read of a remote bucket does not pass. */
const NOT_READING = /^(write|unsettled|backend):/

/** Every point of the scenario. */
export function casesOf(scenario: Scenario): readonly Case[] {
  return scenario.points.map((point) => ({ scenario, point, site: siteOf(scenario, point) }))
}

function siteOf({ name, bucket, seeded, seededBytes }: Scenario, point: string): Site {
  const key = `${name} ${point}`.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()
  const body = { seed: 1, key: `${bucket}/${key}` }
  return {
    bucket,
    key,
    old: { ...body, version: 1, sizeBytes: OLD_BYTES },
    new: {
      ...body,
      version: 2,
      sizeBytes: seeded === true ? (seededBytes ?? SEEDED_BYTES) : NEW_BYTES,
    },
  }
}

/** Makes the state before of all cases, in peace. */
export async function prepare(
  node: FaultNode,
  cases: readonly Case[],
  origin: Truth,
): Promise<void> {
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
  assert.equal(await node.stop(), 0)
}

/**
 * One kill after the other on one data directory, each case with a key of its own. The start that
 * arms a case recovers from the one before, which is looked at then if reading passes no armed point,
 * and at the end in any case.
 */
export async function crashThrough(
  node: FaultNode,
  cases: readonly Case[],
  origin: Truth,
): Promise<void> {
  const crashed: Crashed[] = []
  for (const each of cases) {
    const [name = '', hit = '1'] = each.point.split('@')
    const running = await node.start(`${name}=kill@${hit}`)
    assert.deepEqual(await node.workFiles(), [])
    const last = crashed.at(-1)
    const mayRead = each.site.bucket === NATIVE || NOT_READING.test(name)
    if (last !== undefined && mayRead) await check(running.client, last, origin)
    const answer = await each.scenario.act(running, each.site)
    const told = `${answer?.status} ${answer?.body.subarray(0, 300)}`
    assert(await node.died(), `the process does not pass ${each.point}; it said ${told}`)
    await origin.quiet()
    crashed.push({ ...each, acknowledged: isDone(answer) })
  }
  const { client } = await node.start()
  assert.deepEqual(await node.workFiles(), [])
  for (const each of crashed) {
    const { scenario, site } = each
    const found = await check(client, each, origin)
    // A second read is answered from what the first one left in the cache.
    assert.equal(await check(client, each, origin), found)
    if (scenario.again === undefined) continue
    assert(isDone(await scenario.again(client, site, found)), `${each.point}: once more`)
    assert.equal(await look(client, site), scenario.after)
  }
}

/** Reads the key and judges what it holds. */
async function check(client: S3Client, crashed: Crashed, origin: Truth): Promise<State> {
  const { scenario, site, point, acknowledged } = crashed
  const found = await look(client, site)
  const allowed = acknowledged ? [scenario.after] : [scenario.before, scenario.after]
  assert(allowed.includes(found), `killed at ${point}: ${found}, not ${allowed}`)
  if (site.bucket === REMOTE) assert.equal(found, await truth(site, origin), `killed at ${point}`)
  else assert.equal(await isListed(client, site), found !== 'absent')
  return found
}

/** What the node answers for the key. Bytes of no version fail the test and are described. */
async function look(client: S3Client, site: Site): Promise<State> {
  const answer = await client.get(`${site.bucket}/${site.key}`)
  if (answer?.status === 404) return 'absent'
  assert.equal(answer?.status, 200, `GET of ${site.key}`)
  return nameBytes(answer?.body ?? Buffer.alloc(0), site)
}

function nameBytes(bytes: Buffer, site: Site): State {
  if (bytes.equals(makeBody(site.old))) return 'old'
  if (bytes.equals(makeBody(site.new))) return 'new'
  throw new Error(`${site.key}: ${describeBytes(bytes, [site.old, site.new])}`)
}

async function truth(site: Site, origin: Truth): Promise<State> {
  const stored = await origin.read(`${site.bucket}/${site.key}`)
  return stored === undefined ? 'absent' : nameBytes(stored, site)
}

async function isListed(client: S3Client, { bucket, key }: Site): Promise<boolean> {
  const answer = await client.ask({ method: 'GET', target: `/${bucket}?list-type=2&prefix=${key}` })
  assert.equal(answer?.status, 200)
  return answer?.body.includes(`<Key>${key}</Key>`) ?? false
}
