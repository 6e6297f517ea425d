import { armFailpoints } from '@forebay/base/failpoint'
import { afterEach, expect, test } from 'vitest'
import type { ObjectContext } from './context.ts'
import { readObject } from './read.ts'
import type { ReadAnswer } from './read-answer.ts'
import { pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(async () => {
  armFailpoints('')
  await rig.close()
})

const BYTES = pattern(40_000)
const signal = new AbortController().signal
const request = (key = 'a') => ({ bucket: rig.bucket, key, conditions: {}, signal })

async function bytesOf(answer: ReadAnswer): Promise<Buffer> {
  if (answer.kind !== 'found') throw new Error(answer.kind)
  const chunks: Buffer[] = []
  await answer.body.pump((chunk) => void chunks.push(Buffer.from(chunk)), signal)
  return Buffer.concat(chunks)
}

/** Reads the object, whose body stops in its middle until the answer of `act` is there. */
async function readWhile(act: () => Promise<unknown>): Promise<Buffer> {
  const held = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  const stop = (): Promise<void> => {
    reached.resolve()
    return held.promise
  }
  rig.remote.addFault({ action: { kind: 'at', point: 20_000, act: stop }, on: ['read'] })
  const reading = readObject(rig.context, request()).then(bytesOf)
  await reached.promise
  await act()
  held.resolve()
  return reading
}

/** The same, with a disk on which the first file does not come before `release`. */
function withSlowFirstFile(context: ObjectContext): {
  readonly slow: ObjectContext
  readonly release: () => void
} {
  const held = Promise.withResolvers<void>()
  let first = true
  const { store } = context
  const holdRoom: typeof store.holdRoom = async (bucket, key, bytes) => {
    const room = await store.holdRoom(bucket, key, bytes)
    const isFirst = first
    first = false
    return {
      store: async (stored) => {
        if (isFirst) await held.promise
        return room.store(stored)
      },
      release: () => room.release(),
    }
  }
  const slowStore = new Proxy(store, {
    get: (of, name) => {
      if (name === 'holdRoom') return holdRoom
      const value: unknown = Reflect.get(of, name, of)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
  return { slow: { ...context, store: slowStore }, release: held.resolve }
}

test('no more objects are on their way into memory than fills may be', async () => {
  rig = await Rig.open()
  const context = { ...rig.context, fillsMax: 4 }
  const held = Promise.withResolvers<void>()
  for (let at = 0; at < 20; at++) rig.remote.put('remote', `k${at}`, BYTES)
  let running = 0
  let most = 0
  const act = async (): Promise<void> => {
    running += 1
    most = Math.max(most, context.fills.activeCount)
    await held.promise
    running -= 1
  }
  rig.remote.addFault({ action: { kind: 'at', point: 20_000, act }, on: ['read'], times: 20 })
  const answers = Array.from({ length: 20 }, (_, at) => readObject(context, request(`k${at}`)))
  const statuses = Promise.all(answers).then((all) =>
    all.map((answer) => {
      if (answer.kind !== 'found') throw new Error(answer.kind)
      answer.body.close()
      return answer.cache.status
    }),
  )
  await expect.poll(() => running).toBe(4)
  held.resolve()
  expect((await statuses).filter((status) => status === 'miss')).toHaveLength(4)
  expect(most).toBe(4)
})

test('a listing of another version, while its bytes come, keeps the object out of the cache', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', BYTES)
  await readWhile(async () => {
    rig.remote.put('remote', 'a', pattern(40_000, 2))
    await rig.target.list({ bucket: rig.bucket, prefix: '', pageMax: 10, signal })
  })
  await rig.idle()
  expect((await rig.get('a'))?.equals(pattern(40_000, 2))).toBe(true)
})

test('a second attempt of other metadata under the same tag is another version', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', { bytes: BYTES, metadata: { color: 'old' } })
  rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 20_000 }, on: ['read'] })
  const act = (): void => {
    rig.clock.shiftMs += 60_000
    rig.remote.put('remote', 'a', { bytes: BYTES, metadata: { color: 'new' } })
  }
  rig.remote.addFault({ action: { kind: 'at', point: 'start', act }, on: ['read'], skip: 1 })
  const answer = await readObject(rig.context, request())
  expect(answer).toMatchObject({ attributes: { metadata: { color: 'new' } } })
  expect(await bytesOf(answer)).toEqual(BYTES)
})

test('of two versions without a tag the one that was asked for later stays', async () => {
  rig = await Rig.open()
  rig.remote.validators = 'none'
  rig.remote.put('remote', 'a', BYTES)
  const { slow, release } = withSlowFirstFile(rig.context)
  expect(await bytesOf(await readObject(slow, request()))).toEqual(BYTES)
  rig.remote.put('remote', 'a', 'new')
  const latest = await readObject(slow, { ...request(), latest: true })
  expect((await bytesOf(latest)).toString()).toBe('new')
  await expect.poll(() => rig.context.store.get(2, 'a')?.attributes.sizeBytes).toBe(3)
  release()
  await rig.idle()
  expect((await rig.get('a'))?.toString()).toBe('new')
})

test('of two without a tag, whose bytes come at the same time, the one asked for later stays', async () => {
  rig = await Rig.open()
  rig.remote.validators = 'none'
  rig.remote.put('remote', 'a', BYTES)
  // All within one millisecond of the wall clock.
  const nowMs = rig.clock.now()
  rig.clock.now = () => nowMs
  const first = await readWhile(async () => {
    rig.remote.put('remote', 'a', 'new')
    const latest = await readObject(rig.context, { ...request(), latest: true })
    expect((await bytesOf(latest)).toString()).toBe('new')
  })
  expect(first.equals(BYTES)).toBe(true)
  await rig.idle()
  expect((await rig.get('a'))?.toString()).toBe('new')
})

test.each([
  ['gather', BYTES],
  ['fill', pattern(300_000)],
])(
  'what changes while its file gets its name is asked about before its next use: %s',
  async (way, bytes) => {
    rig = await Rig.open()
    rig.remote.put('remote', 'a', bytes)
    armFailpoints(`${way}:verified=delay:300`)
    const answer = await readObject(rig.context, request())
    if (answer.kind === 'found') await answer.body.pump?.(() => undefined, signal)
    await new Promise((resolve) => setTimeout(resolve, 100))
    rig.remote.put('remote', 'a', 'new')
    await rig.target.list({ bucket: rig.bucket, prefix: '', pageMax: 10, signal })
    await rig.idle()
    expect((await rig.get('a'))?.toString()).toBe('new')
  },
)

test('who warms what the disk does not take is not told that it is cached', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', BYTES)
  const { slow, release } = withSlowFirstFile(rig.context)
  await readObject(slow, request())
  armFailpoints('commit:begun=throw')
  const warming = rig.target.warm({ bucket: rig.bucket, key: 'a', signal })
  const told = expect(warming).rejects.toMatchObject({ code: 'disk-error' })
  await new Promise((resolve) => setTimeout(resolve, 700))
  release()
  await told
})

test('an empty object is not stored after the end', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', '')
  const held = Promise.withResolvers<void>()
  const act = (): Promise<void> => held.promise
  rig.remote.addFault({ action: { kind: 'at', point: 'start', act }, on: ['read'] })
  const reading = readObject(rig.context, request())
  const told = expect(reading).rejects.toMatchObject({ code: 'unavailable' })
  await rig.target.shutdown()
  held.resolve()
  await told
  expect(rig.context.fills.activeCount).toBe(0)
})
