import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { armFailpoints } from '@forebay/base/failpoint'
import { PUMP_SLICE_BYTES } from '@forebay/base/limits'
import { choosePin } from '@forebay/model/version'
import { afterEach, describe, expect, test } from 'vitest'
import { openSparse } from './open-fill.ts'
import { readObject } from './read.ts'
import { bodyOf, cachedBucket, md5Of, NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(async () => {
  armFailpoints('')
  await rig.close()
})

const BLOCK = 64 * 1024
const sparse = cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK })
const signal = new AbortController().signal
const TAIL = 16 * 1024

const address = () => ({ bucket: rig.bucket, key: 'a', signal })

/** Everything that changes an object, through the target. */
const MUTATIONS: Readonly<Record<string, () => Promise<unknown>>> = {
  PUT: () => rig.put('a', 'new'),
  DELETE: () => rig.remove('a'),
  COPY: () =>
    rig.target.copy({
      ...address(),
      source: { ...address(), key: 'source' },
      sourceConditions: {},
      conditions: {},
    }),
  Complete: () => completeUpload(),
}

/** The requests by which the mutations commit. */
const COMMITS = ['write', 'delete', 'copy', 'complete-upload'] as const

async function completeUpload(): Promise<unknown> {
  const upload = { ...address(), headers: {}, metadata: {} }
  const { uploadId } = await rig.target.createUpload(upload)
  const part = { ...address(), uploadId, partNumber: 1, stated: [] }
  const { etag } = await rig.target.writePart({ ...part, body: bodyOf(Buffer.from('new')) })
  const parts = [{ partNumber: 1, etag, checksums: [] }]
  return rig.target.completeUpload({ ...address(), uploadId, parts, conditions: {} })
}

/** A bucket with an entry under `a` and an object `source` at the backend. */
async function openWithEntry(bucket = cachedBucket()): Promise<void> {
  rig = await Rig.open(bucket)
  await rig.put('a', 'old')
  rig.remote.put('remote', 'source', 'new')
}

const isUnsettled = (): boolean => rig.context.unsettled.isUnsettled(rig.bucket.id, 'a')

describe('rule 1: stamp and generation', () => {
  test('rule 1: every version has a stamp, larger than the one before', async () => {
    rig = await Rig.open()
    const stamps = []
    for (const text of ['one', 'two', 'three']) {
      await rig.put('a', text, { bucket: NATIVE })
      stamps.push(rig.context.store.get(NATIVE.id, 'a')?.stamp.counter ?? Number.NaN)
    }
    const [first = Number.NaN, second = Number.NaN, third = Number.NaN] = stamps
    expect(second).toBeGreaterThan(first)
    expect(third).toBeGreaterThan(second)
  })

  const RAISERS: typeof MUTATIONS = {
    ...MUTATIONS,
    evict: () => rig.target.evict({ ...address(), conditions: {} }),
    'a revalidation that finds another version': async () => {
      rig.remote.put('remote', 'a', 'newer')
      rig.clock.shiftMs += 10 * 60_000
      await rig.head('a')
    },
  }
  test.each(Object.keys(RAISERS))(
    'rule 1: %s raises the generation of its key alone',
    async (what) => {
      await openWithEntry()
      const token = rig.context.generations.begin('2/a')
      const other = rig.context.generations.begin('2/b')
      await RAISERS[what]?.()
      expect([token.isCurrent(), other.isCurrent()]).toEqual([false, true])
      token.end()
      other.end()
    },
  )

  test.each(Object.keys(MUTATIONS))(
    'rule 1: %s raises the key before it is applied at the backend and again after',
    async (what) => {
      await openWithEntry()
      const before = rig.context.generations.begin('2/a')
      const during = rig.context.generations.begin('2/a')
      const seen: boolean[] = []
      const act = (): void => {
        seen.push(before.isCurrent())
        during.renew()
      }
      rig.remote.addFault({ action: { kind: 'at', point: 'commit', act }, on: COMMITS })
      await MUTATIONS[what]?.()
      expect([...seen, during.isCurrent()]).toEqual([false, false])
      before.end()
      during.end()
    },
  )
})

describe('rule 3: unsettled keys', () => {
  test.each(Object.keys(MUTATIONS))(
    'rule 3: %s marks its key before anything can be applied, and the mark outlives a crash',
    async (what) => {
      await openWithEntry()
      const seen: boolean[] = []
      const act = async (): Promise<void> => {
        seen.push(isUnsettled())
        await rig.crash()
      }
      rig.remote.addFault({ action: { kind: 'at', point: 'commit', act }, on: COMMITS })
      // Whatever the dead process makes of it.
      await Promise.allSettled([MUTATIONS[what]?.()])
      expect([...seen, isUnsettled()]).toEqual([true, true])
    },
  )

  test.each(Object.keys(MUTATIONS))(
    'rule 3: %s takes the mark with what it installs',
    async (what) => {
      await openWithEntry()
      await MUTATIONS[what]?.()
      expect(isUnsettled()).toBe(false)
    },
  )

  test.each(Object.keys(MUTATIONS))(
    'rule 3: %s leaves the mark when its answer is lost, and the next GET and HEAD ask',
    async (what) => {
      await openWithEntry(cachedBucket({ revalidate: { kind: 'never' } }))
      rig.remote.addFault({ action: { kind: 'drop-answer' }, on: COMMITS })
      await expect(MUTATIONS[what]?.()).rejects.toThrow()
      expect(isUnsettled()).toBe(true)
      const heads = rig.remote.requestCount('head')
      const head = await rig.head('a')
      expect(head.kind).toBe(what === 'DELETE' ? 'absent' : 'found')
      expect(await rig.get('a')).toEqual(rig.remote.bytes('remote', 'a'))
      expect(rig.remote.requestCount('head')).toBeGreaterThanOrEqual(heads + 2)
    },
  )

  test('rule 3: a mark of before a restart is believed for as long as one of now', async () => {
    await openWithEntry(cachedBucket({ revalidate: { kind: 'never' } }))
    rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
    await expect(rig.put('a', 'new')).rejects.toThrow()
    await rig.restart()
    expect(String(await rig.get('a'))).toBe('new')
    expect(isUnsettled()).toBe(true)
    rig.remote.put('remote', 'a', 'late')
    expect(String(await rig.get('a'))).toBe('late')
  })

  test.each(['precondition-failed', 'backend-denied'] as const)(
    'rule 3: the definite refusal %s takes the mark away',
    async (code) => {
      await openWithEntry()
      rig.remote.addFault({ action: { kind: 'refuse', code }, on: ['write'] })
      await expect(rig.put('a', 'new')).rejects.toMatchObject({ code })
      expect(isUnsettled()).toBe(false)
    },
  )

  test.each(['backend-timeout', 'backend-unreachable', 'backend-throttled'] as const)(
    'rule 3: %s decides nothing, so the mark stays',
    async (code) => {
      await openWithEntry()
      rig.remote.addFault({ action: { kind: 'refuse', code }, on: ['delete'] })
      await expect(rig.remove('a')).rejects.toMatchObject({ code })
      expect(isUnsettled()).toBe(true)
    },
  )

  test('rule 3: a refusal is answered as such, also when the mark cannot be taken away', async () => {
    await openWithEntry()
    const code = 'precondition-failed'
    const act = (): void => armFailpoints('journal:write=throw')
    rig.remote.addFault({ action: { kind: 'at', point: 'start', act }, on: ['write'] })
    rig.remote.addFault({ action: { kind: 'refuse', code }, on: ['write'] })
    await expect(rig.put('a', 'new')).rejects.toMatchObject({ code })
    armFailpoints('')
    expect(isUnsettled()).toBe(true)
  })

  test('rule 3: a later write does not take the doubt of an earlier one away', async () => {
    await openWithEntry()
    rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
    await expect(rig.put('a', 'lost')).rejects.toThrow()
    await rig.put('a', 'kept')
    expect(isUnsettled()).toBe(true)
    rig.remote.put('remote', 'a', 'lost')
    expect(String(await rig.get('a'))).toBe('lost')
  })

  test('rule 3: writes that succeed do not make an older doubt last longer', async () => {
    await openWithEntry(cachedBucket({ revalidate: { kind: 'never' } }))
    rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
    await expect(rig.put('a', 'lost')).rejects.toThrow()
    for (let n = 0; n < 3; n++) {
      rig.clock.shiftMs += 19_000
      await rig.put('a', `kept ${n}`)
      expect(isUnsettled()).toBe(true)
    }
    rig.clock.shiftMs += 4000
    await rig.put('a', 'a minute later')
    expect(isUnsettled()).toBe(false)
  })

  test('rule 3: a write that fails anew begins the doubt anew', async () => {
    await openWithEntry()
    for (let n = 0; n < 2; n++) {
      rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
      await expect(rig.put('a', `lost ${n}`)).rejects.toThrow()
      rig.clock.shiftMs += 40_000
    }
    await rig.put('a', 'kept')
    expect(isUnsettled()).toBe(true)
  })

  test('rule 3: nor does a write whose copy could not be kept', async () => {
    await openWithEntry()
    rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
    await expect(rig.put('a', 'lost')).rejects.toThrow()
    armFailpoints('commit:begun=throw')
    await rig.put('a', 'not kept')
    armFailpoints('')
    expect(rig.warnings).toContain('a written object was not kept')
    expect(isUnsettled()).toBe(true)
  })

  test('rule 3: nothing is remembered of marks that are gone', async () => {
    rig = await Rig.open()
    const { unsettled } = rig.context
    for (let n = 0; n < 30; n++) {
      rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write', 'delete'] })
      const failing = n % 2 === 0 ? rig.put(`k${n}`, 'text') : rig.remove(`k${n}`)
      await expect(failing).rejects.toThrow()
    }
    expect(unsettled.restingCount).toBe(30)
    rig.clock.shiftMs += 61_000
    for (let n = 0; n < 30; n++) await rig.get(`k${n}`)
    await rig.idle()
    expect(rig.context.store.totals().unsettledCount).toBe(0)
    expect(unsettled.restingCount).toBe(0)
  })
})

describe('rule 4: the withheld tail', () => {
  const write = (body: ReturnType<typeof bodyOf>) =>
    rig.target.write({
      ...address(),
      headers: {},
      metadata: {},
      conditions: {},
      stated: [],
      md5: true,
      body,
    })

  test.each([1, TAIL, TAIL + 1, 4 * TAIL + 1, 500_000])(
    'rule 4: of %d bytes whose checksum is wrong the backend never gets the last 16 KiB',
    async (sizeBytes) => {
      rig = await Rig.open()
      await expect(write(bodyOf(pattern(sizeBytes), { md5: 'not this' }))).rejects.toThrow('wrong')
      expect(rig.remote.bytesWritten).toBeLessThanOrEqual(Math.max(0, sizeBytes - TAIL))
      expect(rig.remote.bytes('remote', 'a')).toBeUndefined()
      expect(isUnsettled()).toBe(false)
    },
  )

  test('rule 4: the tail waits for the verdict, however long that takes', async () => {
    rig = await Rig.open()
    // One slice, so that nothing is left to gather when the last byte has come.
    const bytes = pattern(PUMP_SLICE_BYTES)
    const body = bodyOf(bytes, { md5: 'not this' })
    const lingering = {
      ...body,
      pump: async (...[write, gone]: Parameters<typeof body.pump>) => {
        await body.pump(write, gone)
        for (let turn = 0; turn < 300; turn++) await new Promise((next) => setImmediate(next))
      },
    }
    await expect(write(lingering)).rejects.toThrow('wrong')
    expect(rig.remote.bytesWritten).toBe(bytes.length - TAIL)
    expect(rig.remote.bytes('remote', 'a')).toBeUndefined()
  })

  test('rule 4: the tail of a part is withheld like that of an object', async () => {
    rig = await Rig.open()
    const { uploadId } = await rig.target.createUpload({ ...address(), headers: {}, metadata: {} })
    const body = bodyOf(pattern(500_000), { md5: 'not this' })
    const part = { ...address(), uploadId, partNumber: 1, stated: [], body }
    await expect(rig.target.writePart(part)).rejects.toThrow('wrong')
    expect(rig.remote.bytesWritten).toBeLessThanOrEqual(500_000 - TAIL)
    const page = { ...address(), uploadId, afterPart: 0, pageMax: 10 }
    expect((await rig.target.listParts(page)).parts).toEqual([])
  })

  test('rule 4: a body without its end is discarded, here and at the backend', async () => {
    await openWithEntry()
    await expect(write(bodyOf(pattern(500_000), { failAt: 490_000 }))).rejects.toThrow('left')
    expect(String(rig.remote.bytes('remote', 'a'))).toBe('old')
    expect(String(await rig.get('a'))).toBe('old')
  })
})

describe('rule 5: late fills publish nothing', () => {
  const OLD = pattern(400_000, 1)

  /** Reads `a` cold; when `point` bytes have come, `act` runs and is waited for. */
  function readDuring(
    act: () => Promise<unknown>,
    point = 192 * 1024,
  ): Promise<Buffer | undefined> {
    const once = async (): Promise<void> => {
      await act()
    }
    rig.remote.addFault({ action: { kind: 'at', point, act: once }, on: ['read'] })
    return rig.get('a')
  }

  const LATE: Readonly<Record<string, () => Promise<unknown>>> = {
    'an evict': () => rig.target.evict({ ...address(), conditions: {} }),
    'a DELETE': MUTATIONS['DELETE'] ?? Promise.reject,
    'a PUT': MUTATIONS['PUT'] ?? Promise.reject,
    'a PUT whose answer is lost': () => {
      rig.remote.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
      return rig.put('a', 'new').catch(() => undefined)
    },
  }

  test.each(Object.keys(LATE))(
    'rule 5: a fill that began before %s publishes nothing and serves its readers to the end',
    async (what) => {
      rig = await Rig.open()
      rig.remote.put('remote', 'a', OLD)
      expect(await readDuring(LATE[what] ?? Promise.reject)).toEqual(OLD)
      await rig.idle()
      const etag = rig.context.store.get(rig.bucket.id, 'a')?.attributes.etag
      expect(etag).not.toBe(md5Of(OLD))
      expect(await rig.get('a')).toEqual(rig.remote.bytes('remote', 'a'))
    },
  )

  test('rule 5: a fill that began before an evict publishes no blocks', async () => {
    rig = await Rig.open(sparse)
    rig.remote.put('remote', 'a', pattern(20 * BLOCK))
    const act = (): Promise<void> =>
      rig.target.evict({ ...address(), conditions: {} }).then(() => undefined)
    rig.remote.addFault({ action: { kind: 'at', point: 16 * 1024, act }, on: ['read'] })
    const range = { kind: 'from-to', first: 0, last: 2 * BLOCK } as const
    expect(await rig.get('a', { range })).toEqual(pattern(20 * BLOCK).subarray(0, 2 * BLOCK + 1))
    await rig.idle()
    expect(rig.context.store.get(rig.bucket.id, 'a')).toBeUndefined()
  })

  test.each([
    ['a fill', 192 * 1024],
    ['an opening', 'answer' as const],
  ])('rule 5: later readers do not join %s of before a write', async (_, point) => {
    rig = await Rig.open()
    rig.remote.put('remote', 'a', OLD)
    let later: Buffer | undefined
    const act = async (): Promise<void> => {
      await rig.put('a', pattern(100_000, 2))
      await rig.target.evict({ ...address(), conditions: {} })
      later = await rig.get('a')
    }
    rig.remote.addFault({ action: { kind: 'at', point, act }, on: ['read'] })
    await rig.get('a')
    expect(later).toEqual(pattern(100_000, 2))
  })

  test('rule 5: a version named before a write is not opened after it', async () => {
    rig = await Rig.open(sparse)
    const store = rig.remote.createBucket('versioned', { versioned: true })
    const backend = createMemoryBackend(rig.remote, store.name)
    const context = { ...rig.context, backendOf: () => backend }
    rig.remote.put('versioned', 'a', pattern(20 * BLOCK, 1))
    const token = context.generations.begin('2/a')
    const head = await backend.head({ key: 'a', signal })
    if (head.kind !== 'found') throw new Error('absent')
    const pin = choosePin(head.attributes.validators ?? {})
    expect(pin.kind).toBe('version-id')
    const found = { ...head, pin, askedMs: rig.clock.now(), settles: false } as const
    await rig.target.evict({ ...address(), conditions: {} })
    const wanted = { known: { ...found, token }, range: { offset: 0, lengthBytes: 1 } }
    await expect(openSparse(context, address(), wanted)).rejects.toMatchObject({
      code: 'backend-changed',
    })
    token.end()
  })

  test('rule 5: what was asked before a write is asked again after it', async () => {
    await openWithEntry(cachedBucket({ revalidate: { kind: 'always' } }))
    let written: Promise<unknown> | undefined
    const act = (): Promise<void> => {
      written ??= rig.put('a', 'newest')
      return written.then(() => undefined)
    }
    rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['head'] })
    const answer = await readObject(rig.context, { ...address(), conditions: {} })
    expect(answer).toMatchObject({ kind: 'found', attributes: { sizeBytes: 6 } })
    if (answer.kind === 'found') answer.body.close()
    expect(String(await rig.get('a'))).toBe('newest')
    // The entry that the write left was believed all the time.
    expect(rig.remote.requestCount('read')).toBe(0)
  })
})
