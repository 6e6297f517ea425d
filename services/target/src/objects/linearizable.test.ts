import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, expect, test } from 'vitest'
import type { ObjectContext } from './context.ts'
import { deleteObject, evictObject } from './delete.ts'
import { headObject } from './head.ts'
import { readObject } from './read.ts'
import { bodyOf, cachedBucket, md5Of, NATIVE, pattern, Rig } from './testing/rig.ts'
import { writeObject } from './write.ts'

let rig: Rig
afterEach(() => rig.close())

const BLOCK = 64 * 1024
const SIZES = [30, 17_000, 70_000, 200_000]
const signal = new AbortController().signal

/** Whole numbers below what is asked for, always the same ones for one seed. */
function sequenceOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/**
 * One key with one writer, whose versions are numbered. What a read may answer is bounded below by
 * what was acknowledged, or answered to anybody, before it began, and above by what was begun before
 * it ended.
 */
class Register {
  begun = 0
  /** No read that begins now may answer an older version. */
  floor = 0
  /** Version -> md5 of its bytes; undefined for a deletion. */
  readonly versions: (string | undefined)[] = [undefined]

  begin(bytes: Buffer | undefined): number {
    this.versions.push(bytes === undefined ? undefined : md5Of(bytes))
    this.begun = this.versions.length - 1
    return this.begun
  }

  /** @throws when no version that is allowed answers like this */
  check(what: string, floor: number, md5: string | undefined): void {
    const version = this.versions.findIndex((known, at) => at >= floor && known === md5)
    if (version === -1) {
      const of = this.versions.lastIndexOf(md5)
      throw new Error(`${what} answered version ${of}, older than ${floor}, of ${this.begun}`)
    }
    this.floor = Math.max(this.floor, version)
  }
}

const VARIANTS: readonly (readonly [string, BucketRecord, boolean])[] = [
  ['a native bucket', NATIVE, false],
  ['a bucket with a backend', cachedBucket(), false],
  ['a sparse bucket', cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: BLOCK }), false],
  ['a versioned bucket', cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: BLOCK }), true],
  ['a bucket that keeps what it has', cachedBucket({ revalidate: { kind: 'never' } }), false],
  ['a bucket that always asks', cachedBucket({ revalidate: { kind: 'always' } }), true],
]

test.each(VARIANTS)(
  'no GET, range or HEAD of %s goes back behind what was acknowledged or answered',
  async (...[, bucket, versioned]) => {
    rig = await Rig.open(bucket)
    rig.remote.createBucket('other', { versioned })
    const backend = createMemoryBackend(rig.remote, 'other')
    const context: ObjectContext = { ...rig.context, backendOf: () => backend }
    const random = sequenceOf(11)
    const register = new Register()
    const fault = { times: 1e9, on: ['read', 'head', 'write', 'delete'] } as const
    rig.remote.addFault({ ...fault, action: { kind: 'delay', ms: 2 }, probability: 0.3 })
    rig.remote.addFault({ ...fault, action: { kind: 'drop-answer' }, probability: 0.1 })
    let over = false
    const writing = writeVersions({ context, bucket, register, random }).finally(() => {
      over = true
    })
    const reading = Array.from({ length: 6 }, async () => {
      let count = 0
      while (!over) {
        await readOnce({ context, bucket, register, random })
        count += 1
        await new Promise((resolve) => setImmediate(resolve))
      }
      return count
    })
    await writing
    const counts = await Promise.all(reading)
    expect(Math.min(...counts)).toBeGreaterThan(5)
  },
)

interface Play {
  readonly context: ObjectContext
  readonly bucket: BucketRecord
  readonly register: Register
  readonly random: (below: number) => number
}

async function writeVersions({ context, bucket, register, random }: Play): Promise<void> {
  const address = { bucket, key: 'a', conditions: {}, signal }
  for (let round = 0; round < 120; round++) {
    const bytes = random(6) === 0 ? undefined : pattern(SIZES[random(SIZES.length)] ?? 1, round + 1)
    const version = register.begin(bytes)
    try {
      if (bytes === undefined) await deleteObject(context, address)
      else {
        const body = bodyOf(bytes)
        const described = { headers: {}, metadata: {}, stated: [], md5: true, body }
        await writeObject(context, { ...address, ...described })
      }
      register.floor = Math.max(register.floor, version)
    } catch {
      // Nobody knows whether it was applied: the next answer tells, and binds all later ones.
    }
    if (random(5) === 0 && bucket.backend !== undefined) await evictObject(context, address)
    if (random(8) === 0) rig.clock.shiftMs += 10 * 60_000
    if (random(3) === 0) await rig.clock.sleep(random(6))
  }
}

async function readOnce({ context, bucket, register, random }: Play): Promise<void> {
  const address = { bucket, key: 'a', conditions: {}, signal }
  const { floor } = register
  const kind = random(4)
  try {
    if (kind === 0) {
      const head = await headObject(context, address)
      if (head.kind !== 'found' && head.kind !== 'absent') throw new Error(head.kind)
      const md5 = head.kind === 'found' ? head.attributes.etag : undefined
      register.check('HEAD', floor, md5)
      return
    }
    const range = { kind: 'from-to', first: 0, last: 29 } as const
    const answer = await readObject(context, kind === 1 ? { ...address, range } : address)
    if (answer.kind === 'absent') return register.check('GET', floor, undefined)
    if (answer.kind !== 'found') throw new Error(answer.kind)
    const chunks: Buffer[] = []
    await answer.body.pump((chunk) => void chunks.push(Buffer.from(chunk)), signal)
    const md5 = kind === 1 ? answer.attributes.etag : md5Of(Buffer.concat(chunks))
    expect(md5).toBe(answer.attributes.etag)
    register.check('GET', floor, md5)
  } catch (error) {
    // Faults of the backend may fail a read; they may not make it lie.
    if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('backend-')))
      throw error
  }
}
