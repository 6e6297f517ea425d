import { expect, test } from 'vitest'
import type { BackendBody } from './backend.ts'
import { type BodyWatch, watchBody } from './intercept.ts'

const CHUNKS = [Buffer.from('ab'), Buffer.from('c')]

/** Hands on its chunks, then fails where a failure is stated. */
function bodyOf(failure?: Error): BackendBody {
  return {
    lengthBytes: 3,
    async pump(write) {
      for (const chunk of CHUNKS) await write(chunk)
      if (failure !== undefined) throw failure
    },
    discard: () => undefined,
  }
}

function teller(name: string, told: string[]): BodyWatch {
  return {
    onPump: () => void told.push(`${name} pump`),
    onChunk: (bytes) => void told.push(`${name} chunk ${bytes}`),
    onTaken: () => void told.push(`${name} taken`),
    onEnd: (error) => void told.push(`${name} end ${error instanceof Error ? error.message : ''}`),
  }
}

test('who watches nearest to the store sees chunks first, and hears last that one was taken', async () => {
  const told: string[] = []
  const body = watchBody(watchBody(bodyOf(), teller('inner', told)), teller('outer', told))
  expect(body.lengthBytes).toBe(3)
  await body.pump((chunk) => void told.push(`written ${chunk.length}`))
  const chunk = (bytes: number): string[] => [
    `inner chunk ${bytes}`,
    `outer chunk ${bytes}`,
    `written ${bytes}`,
    'outer taken',
    'inner taken',
  ]
  const begin = ['inner pump', 'outer pump']
  expect(told).toEqual([...begin, ...chunk(2), ...chunk(1), 'inner end ', 'outer end '])
})

test('a chunk waits for each watch in turn, and the next one for its reader', async () => {
  const told: string[] = []
  const wait = (name: string): BodyWatch => ({
    async onChunk() {
      told.push(`${name} asked`)
      await Promise.resolve()
      told.push(`${name} ready`)
    },
    onEnd: () => undefined,
  })
  const body = watchBody(watchBody(bodyOf(), wait('inner')), wait('outer'))
  await body.pump(async () => {
    told.push('writing')
    await Promise.resolve()
    told.push('written')
  })
  const chunk = [
    ...['inner asked', 'inner ready', 'outer asked', 'outer ready'],
    ...['writing', 'written'],
  ]
  expect(told).toEqual([...chunk, ...chunk])
})

const broken = new Error('broken')

test.each<[string, Error | undefined, () => void]>([
  ['the store', broken, () => undefined],
  [
    'the reader',
    undefined,
    () => {
      throw broken
    },
  ],
])('every watch hears once how a body ended that %s broke off', async (_, failure, write) => {
  const told: string[] = []
  const only = (name: string): BodyWatch => {
    const { onEnd } = teller(name, told)
    return { onEnd }
  }
  const body = watchBody(watchBody(bodyOf(failure), only('inner')), only('outer'))
  await expect(body.pump(write)).rejects.toThrow('broken')
  body.discard()
  expect(told).toEqual(['inner end broken', 'outer end broken'])
})

test('a body that is discarded ends without an error', () => {
  const told: string[] = []
  const { onEnd } = teller('inner', told)
  watchBody(bodyOf(), { onEnd }).discard()
  expect(told).toEqual(['inner end '])
})
