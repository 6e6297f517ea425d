import { existsSync, watch } from 'node:fs'
import { join } from 'node:path'
import {
  createMemoryBackend,
  type MemoryBackendOptions,
} from '@forebay/backend-memory/memory-backend'
import { choosePin, type Pin, type Validators } from '@forebay/model/version'
import { afterEach, describe, expect, test } from 'vitest'
import type { ObjectContext } from './context.ts'
import { readObject } from './read.ts'
import { bodyOf, cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'
import { writeObject } from './write.ts'

let rig: Rig
afterEach(() => rig.close())

const BLOCK = 64 * 1024
const sparse = cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK })
const signal = new AbortController().signal
const address = () => ({ bucket: rig.bucket, key: 'a', signal })

/** Lets everything run that needs no time. */
async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('rule 6: pins', () => {
  const DATE = 1_700_000_000_000
  const ALL: Validators = {
    versionId: 'v',
    generation: '7',
    etag: 'e',
    lastModifiedMs: DATE - 2000,
    dateMs: DATE,
  }
  const PINS: readonly (readonly [string, Validators, Pin['kind']])[] = [
    ['a version id', ALL, 'version-id'],
    ['the version id "null"', { ...ALL, versionId: 'null' }, 'generation'],
    ['a generation', { ...ALL, versionId: undefined }, 'generation'],
    ['a strong ETag', { ...ALL, versionId: undefined, generation: undefined }, 'etag'],
    ['a weak ETag', { etag: 'e', etagWeak: true }, 'none'],
    ['a date 2 s old', { lastModifiedMs: DATE - 2000, dateMs: DATE }, 'last-modified'],
    ['a date under 2 s old', { lastModifiedMs: DATE - 1999, dateMs: DATE }, 'none'],
    ['a date without a Date', { lastModifiedMs: DATE - 5000 }, 'none'],
    ['nothing', {}, 'none'],
  ]
  test.each(PINS)(
    'rule 6: an answer with %s is pinned in the order of strength',
    async (...row) => {
      rig = await Rig.open()
      const [, validators, kind] = row
      expect(choosePin(validators).kind).toBe(kind)
    },
  )

  test('rule 6: without a pin nothing is sparse or parallel, and the whole object is asked for', async () => {
    rig = await Rig.open(sparse)
    rig.remote.validators = 'none'
    const bytes = pattern(20 * BLOCK)
    rig.remote.put('remote', 'a', bytes)
    const range = { kind: 'from-to', first: 10, last: 19 } as const
    expect(await rig.get('a', { range })).toEqual(bytes.subarray(10, 20))
    await rig.idle()
    expect(rig.remote.log().filter(({ operation }) => operation === 'read')).toEqual([
      { operation: 'read', bucket: 'remote', key: 'a', range: undefined },
    ])
  })

  test('rule 6: without a pin a connection that breaks is not continued by another', async () => {
    rig = await Rig.open()
    rig.remote.validators = 'none'
    rig.remote.put('remote', 'a', pattern(20 * BLOCK))
    const cut = { kind: 'cut-body', afterBytes: 5 * BLOCK } as const
    rig.remote.addFault({ action: cut, on: ['read'] })
    await expect(rig.get('a')).rejects.toMatchObject({ code: 'backend-unreachable' })
    expect(rig.remote.requestCount('read')).toBe(1)
  })

  test('rule 6: another version midway starts anew while nothing was sent', async () => {
    rig = await Rig.open(sparse)
    const young = pattern(20 * BLOCK, 2)
    rig.remote.put('remote', 'a', pattern(20 * BLOCK, 1))
    const act = (): void => {
      rig.remote.put('remote', 'a', young)
    }
    rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['head'] })
    const range = { kind: 'from-to', first: 5 * BLOCK, last: 6 * BLOCK - 1 } as const
    expect(await rig.get('a', { range })).toEqual(young.subarray(5 * BLOCK, 6 * BLOCK))
  })

  test('rule 6: another version midway fails the body once bytes of the old one were sent', async () => {
    rig = await Rig.open(sparse)
    const old = pattern(20 * BLOCK, 1)
    rig.remote.put('remote', 'a', old)
    await rig.get('a', { range: { kind: 'from-to', first: 0, last: BLOCK - 1 } })
    await rig.idle()
    rig.remote.put('remote', 'a', pattern(20 * BLOCK, 2))
    const range = { kind: 'from-to', first: 0, last: 3 * BLOCK - 1 } as const
    const answer = await readObject(rig.context, { ...address(), conditions: {}, range })
    if (answer.kind !== 'found') throw new Error(answer.kind)
    const got: Buffer[] = []
    const pumping = answer.body.pump((chunk) => {
      got.push(Buffer.from(chunk))
    }, signal)
    await expect(pumping).rejects.toMatchObject({ code: 'backend-changed' })
    expect(Buffer.concat(got)).toEqual(old.subarray(0, BLOCK))
  })

  test('rule 6: past the cache, too, what is announced is what the body is of', async () => {
    rig = await Rig.open(cachedBucket({ cache: 'bypass' }))
    rig.remote.validators = 'none'
    const young = pattern(90_000, 2)
    rig.remote.put('remote', 'a', pattern(100_000, 1))
    const act = (): void => {
      rig.remote.put('remote', 'a', young)
    }
    rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['head'] })
    const range = { kind: 'from-to', first: 10, last: 95_000 } as const
    const answer = await readObject(rig.context, { ...address(), conditions: {}, range })
    if (answer.kind !== 'found') throw new Error(answer.kind)
    expect(answer.attributes.sizeBytes).toBe(90_000)
    const got: Buffer[] = []
    await answer.body.pump((chunk) => void got.push(Buffer.from(chunk)), signal)
    expect(Buffer.concat(got)).toEqual(young.subarray(10))
  })

  test('rule 6: an answer with other bytes than asked for is no answer', async () => {
    rig = await Rig.open(sparse)
    rig.remote.put('remote', 'a', pattern(20 * BLOCK))
    const backend = createMemoryBackend(rig.remote, 'remote')
    const shifted: ObjectContext = {
      ...rig.context,
      backendOf: () => ({
        ...backend,
        read: async (options) => {
          const result = await backend.read(options)
          if (result.kind !== 'found' || options.range === undefined) return result
          return { ...result, range: { ...result.range, offset: result.range.offset + 1 } }
        },
      }),
    }
    const range = { kind: 'from-to', first: 5 * BLOCK, last: 6 * BLOCK } as const
    const reading = readObject(shifted, { ...address(), conditions: {}, range })
    await expect(reading).rejects.toMatchObject({ code: 'backend-corrupt' })
    await rig.idle()
  })

  test.each(['read-write', 'bypass'] as const)(
    'rule 6: an answer that does not say its length is no empty object (cache: %s)',
    async (cache) => {
      rig = await Rig.open(cachedBucket({ cache }))
      rig.remote.put('remote', 'a', pattern(100_000))
      const backend = createMemoryBackend(rig.remote, 'remote')
      const chunked: ObjectContext = {
        ...rig.context,
        backendOf: () => ({
          ...backend,
          read: async (options) => {
            const result = await backend.read(options)
            if (result.kind !== 'found') return result
            const attributes = { ...result.attributes, sizeBytes: 0 }
            const lengthBytes = undefined
            return {
              ...result,
              attributes,
              sizeBytes: undefined,
              range: { offset: 0, lengthBytes },
            }
          },
        }),
      }
      await expect(readObject(chunked, { ...address(), conditions: {} })).rejects.toMatchObject({
        code: 'backend-corrupt',
      })
      expect(rig.context.store.get(2, 'a')).toBeUndefined()
    },
  )

  test('rule 6: a body that ends before its object is a failure, not an end', async () => {
    rig = await Rig.open()
    rig.remote.put('remote', 'a', pattern(100_000))
    const backend = createMemoryBackend(rig.remote, 'remote')
    const short: ObjectContext = {
      ...rig.context,
      backendOf: () => ({
        ...backend,
        read: async (options) => {
          const result = await backend.read(options)
          if (result.kind !== 'found') return result
          const { body } = result
          const pump: typeof body.pump = async (write) => {
            await body.pump((chunk) => write(chunk.subarray(0, chunk.length - 1)))
          }
          return { ...result, body: { ...body, pump, discard: () => body.discard() } }
        },
      }),
    }
    const answer = await readObject(short, { ...address(), conditions: {} })
    if (answer.kind !== 'found') throw new Error(answer.kind)
    const pumping = answer.body.pump(() => undefined, signal)
    await expect(pumping).rejects.toMatchObject({ code: 'backend-corrupt' })
    expect(rig.context.store.get(2, 'a')).toBeUndefined()
  })

  test('rule 6: an object that is stored encoded is served as it is stored', async () => {
    rig = await Rig.open()
    const bytes = pattern(10_000)
    rig.remote.put('remote', 'a', { bytes, headers: { contentEncoding: 'gzip' } })
    for (const status of ['miss', 'hit']) {
      expect(await rig.get('a')).toEqual(bytes)
      expect(rig.reads.at(-1)).toBe(status)
      const head = await rig.head('a')
      if (head.kind !== 'found') throw new Error(head.kind)
      expect(head.attributes.headers).toEqual({ contentEncoding: 'gzip' })
    }
  })
})

describe('rule 15: overlapping writes', () => {
  const LARGE = 500_000

  test('rule 15: bodies of one key upload side by side, up to their tails', async () => {
    rig = await Rig.open()
    const release = await rig.context.locks.acquire('2/a')
    const writes = [rig.put('a', pattern(LARGE, 1)), rig.put('a', pattern(LARGE, 2))]
    // Never so far when one waits for the other; never further while the key is locked.
    while (rig.remote.bytesWritten < 2 * (LARGE - 16_384)) await turns(1)
    await turns()
    expect(rig.remote.bytesWritten).toBe(2 * (LARGE - 16_384))
    release()
    await Promise.all(writes)
  })

  test('rule 15: the key is locked from its tail until the copy here is committed', async () => {
    rig = await Rig.open()
    const seen: unknown[] = []
    for (const point of ['commit', 'answer'] as const) {
      const act = (): void => {
        seen.push(rig.context.locks.isHeld('2/a'), rig.context.store.get(2, 'a'))
      }
      rig.remote.addFault({ action: { kind: 'at', point, act }, on: ['write'] })
    }
    await rig.put('a', 'text')
    expect(seen).toEqual([true, undefined, true, undefined])
    expect(rig.context.locks.isHeld('2/a')).toBe(false)
  })

  test('rule 15: a write alone asks nothing, one that overlapped ends with a HEAD', async () => {
    rig = await Rig.open()
    await rig.put('a', 'alone')
    expect(rig.remote.requestCount('head')).toBe(0)
    await Promise.all([rig.put('a', pattern(LARGE, 1)), rig.put('a', pattern(LARGE, 2))])
    expect(rig.remote.requestCount('head')).toBe(2)
  })

  test('rule 15: an overlapped write whose version the backend did not keep is not cached', async () => {
    rig = await Rig.open()
    const winner = pattern(LARGE, 3)
    const act = (): void => {
      rig.remote.put('remote', 'a', winner)
    }
    rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['write'], times: 2 })
    await Promise.all([rig.put('a', pattern(LARGE, 1)), rig.put('a', pattern(LARGE, 2))])
    expect(rig.context.store.get(2, 'a')).toBeUndefined()
    expect(await rig.get('a')).toEqual(winner)
  })

  test('rule 15: an overlapped write that cannot be checked is not cached', async () => {
    rig = await Rig.open()
    const code = 'backend-timeout'
    rig.remote.addFault({ action: { kind: 'refuse', code }, on: ['head'], times: 2 })
    await Promise.all([rig.put('a', pattern(LARGE, 1)), rig.put('a', pattern(LARGE, 2))])
    expect(rig.context.store.get(2, 'a')).toBeUndefined()
  })
})

describe('rule 16: conditions and multipart', () => {
  const without = (capabilities: MemoryBackendOptions['capabilities']): ObjectContext => {
    const backend = createMemoryBackend(rig.remote, 'remote', { capabilities: capabilities ?? {} })
    return { ...rig.context, backendOf: () => backend }
  }

  test('rule 16: a condition that the backend cannot decide is 501 and writes nothing', async () => {
    rig = await Rig.open()
    const request = { ...address(), headers: {}, metadata: {}, stated: [], md5: true }
    const conditions = { ifNoneMatch: ['*'] }
    const body = bodyOf(Buffer.from('new'))
    const context = without({ conditionalWrite: false })
    await expect(writeObject(context, { ...request, conditions, body })).rejects.toMatchObject({
      code: 'not-implemented',
    })
    expect(rig.remote.bytes('remote', 'a')).toBeUndefined()
    expect(rig.context.unsettled.isUnsettled(2, 'a')).toBe(false)
  })

  test('rule 16: the backend decides a condition, whatever the entry here says', async () => {
    rig = await Rig.open()
    await rig.put('a', 'old')
    rig.remote.delete('remote', 'a')
    await rig.put('a', 'new', { conditions: { ifNoneMatch: ['*'] } })
    expect(String(rig.remote.bytes('remote', 'a'))).toBe('new')
  })

  test('rule 16: an upload id of a native bucket names this node', async () => {
    rig = await Rig.open(NATIVE)
    const upload = { ...address(), headers: {}, metadata: {} }
    const { uploadId } = await rig.target.createUpload(upload)
    expect(uploadId.split('.')[0]).toBe(rig.context.nodeId)
  })
})

describe('rule 17: process death is ordinary', () => {
  test('rule 17: a large file is set aside at once and its blocks are freed later', async () => {
    rig = await Rig.open()
    const bytes = Buffer.alloc(17 * 1024 ** 2, 1)
    await rig.put('a', bytes, { bucket: NATIVE })
    const path = rig.context.store.get(NATIVE.id, 'a')?.location.path ?? ''
    // The kernel keeps what it saw: a name that came and went is told, however late this thread looks.
    const setAside = Promise.withResolvers<void>()
    const watcher = watch(join(rig.directory, 'mp/.forebay/trash'), () => setAside.resolve())
    await rig.remove('a', NATIVE)
    await setAside.promise
    watcher.close()
    expect(existsSync(join(rig.directory, 'mp', path))).toBe(false)
  })
})
