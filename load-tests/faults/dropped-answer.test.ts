import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { type BodyName, describeBytes, makeBody } from './bodies.ts'
import { FaultNode, REMOTE, type Running } from './fault-node.ts'
import { isDone } from './s3-client.ts'
import { type OriginBehaviour, type OriginOperation, S3Origin } from './s3-origin.ts'

/** Keys for each operation and each way to lose an answer; 4 x 2 x 25 = 200 in all. */
const KEYS = 25

const OPERATIONS: readonly OriginOperation[] = ['put', 'delete', 'copy', 'complete']

/** A request that is applied after its connection broke: the next GET may well come before it. */
const APPLIED_LATE_MS = 300

const WAYS: readonly { readonly way: string; readonly behaviour: OriginBehaviour }[] = [
  { way: 'applies and drops the answer', behaviour: { dropAnswer: true } },
  {
    way: 'drops the connection and applies later',
    behaviour: { dropAnswer: true, appliedAfterMs: APPLIED_LATE_MS },
  },
]

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: S3Origin
let node: FaultNode
let running: Running

beforeAll(async () => {
  folder = await temporaryFolder('dropped-answer')
  origin = await S3Origin.start()
  node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  running = await node.start()
})

afterAll(async () => {
  await node?.kill()
  await origin?.close()
  await folder?.remove()
})

test.each(OPERATIONS.flatMap((operation) => WAYS.map((way) => ({ operation, ...way }))))(
  'when the origin $way of a $operation, the next GET returns what the origin has',
  async ({ operation, way, behaviour }) => {
    const spoilt = new Set<string>()
    origin.behave = (each, key) => (each === operation && spoilt.has(key) ? behaviour : {})
    const outcomes = await Promise.all(
      Array.from({ length: KEYS }, async (_, index) => {
        const key = `${operation}-${way.replaceAll(' ', '-')}-${index}`
        return loseAnswer(operation, key, () => spoilt.add(key))
      }),
    )
    expect(outcomes).toEqual(Array.from({ length: KEYS }, () => 'as the origin'))
  },
)

/** Caches a version, loses the answer to an operation on it, and reads. */
async function loseAnswer(
  operation: OriginOperation,
  key: string,
  spoil: () => void,
): Promise<string> {
  const { client } = running
  const path = `${REMOTE}/${key}`
  const old: BodyName = { seed: 3, key, version: 1, sizeBytes: 50_000 }
  const next: BodyName = { seed: 3, key, version: 2, sizeBytes: 40_000 }
  if (!isDone(await client.put(path, makeBody(old)))) return 'the first version was refused'
  if (!isDone(await client.put(`${path}-source`, makeBody(next)))) return 'the source was refused'
  const hit = await client.get(path)
  if (hit?.headers['forebay-cache'] !== 'hit') return 'the first version is not in the cache'
  const uploadId = (await client.createUpload(path)) ?? ''
  const upload = { path, uploadId }
  const etag = (await client.writePart(upload, 1, makeBody(next))) ?? ''
  spoil()
  const mutations = {
    put: () => client.put(path, makeBody(next)),
    delete: () => client.delete(path),
    copy: () => client.copy(`${path}-source`, path),
    complete: () => client.completeUpload(upload, [etag]),
  }
  const answer = await mutations[operation]()
  if (isDone(answer)) return 'the client was told that it succeeded'
  const soon = await compare(path, [old, next])
  if (soon !== 'as the origin') return `at once: ${soon}`
  await origin.quiet()
  const later = await compare(path, [old, next])
  if (later !== 'as the origin') return `afterwards: ${later}`
  const applied = origin.get(path)?.bytes
  const expected = operation === 'delete' ? undefined : makeBody(next)
  const isApplied = expected === undefined ? applied === undefined : applied?.equals(expected)
  return isApplied === true ? 'as the origin' : 'the origin has not applied it'
}

/** Reads through the node; the answer must be what the origin had at some time meanwhile. */
async function compare(path: string, names: readonly BodyName[]): Promise<string> {
  const before = origin.get(path)?.bytes
  const answer = await running.client.get(path)
  const after = origin.get(path)?.bytes
  if (answer === undefined) return 'the connection broke'
  if (answer.status === 404) {
    return before === undefined || after === undefined ? 'as the origin' : 'absent here alone'
  }
  if (answer.status !== 200) return `${answer.status} ${answer.body}`
  const same = [before, after].some((bytes) => bytes?.equals(answer.body) === true)
  return same ? 'as the origin' : describeBytes(answer.body, names)
}
