import { isFailure } from '@forebay/base/failure'
import type { Dispatcher } from 'undici'
import { beforeEach, describe, expect, test } from 'vitest'
import { HELD_BYTES_MAX, ResponseBody } from './response-body.ts'

/** A connection that only remembers what it was told. */
class Told implements Dispatcher.DispatchController {
  readonly calls: string[] = []
  readonly rawHeaders = []
  readonly rawTrailers = []
  aborted = false
  paused = false
  reason: Error | null = null

  abort(reason: Error): void {
    this.calls.push('abort')
    this.aborted = true
    this.reason = reason
  }

  pause(): void {
    if (!this.paused) this.calls.push('pause')
    this.paused = true
  }

  resume(): void {
    if (this.paused) this.calls.push('resume')
    this.paused = false
  }
}

let told: Told
let ending: AbortController
let body: ResponseBody

beforeEach(() => {
  told = new Told()
  ending = new AbortController()
  body = new ResponseBody(told, ending.signal)
})

async function pumped(): Promise<number> {
  let bytes = 0
  await body.pump((chunk) => {
    bytes += chunk.length
  })
  return bytes
}

describe('a body that nobody pumps yet', () => {
  test('holds what comes one byte below its bound without a word to its connection', async () => {
    body.lengthBytes = HELD_BYTES_MAX - 1
    body.receive(Buffer.alloc(HELD_BYTES_MAX - 1))
    body.finish()
    expect(told.calls).toEqual([])
    expect(await pumped()).toBe(HELD_BYTES_MAX - 1)
    expect(told.calls).toEqual([])
  })

  test('pauses its connection at the bound, until a reader has taken all of it', async () => {
    body.receive(Buffer.alloc(HELD_BYTES_MAX - 1))
    body.receive(Buffer.alloc(1))
    expect(told.calls).toEqual(['pause'])
    const all = pumped()
    expect(told.calls).toEqual(['pause', 'resume'])
    body.finish()
    expect(await all).toBe(HELD_BYTES_MAX)
  })

  test('ends with its signal, also when all of it is here', async () => {
    body.receive(Buffer.alloc(10))
    body.finish()
    ending.abort(new Error('who asked has left'))
    await expect(pumped()).rejects.toThrow('who asked has left')
    expect(told.aborted).toBe(false)
  })

  test('is as long as its head says, which is read after its first bytes: more is corrupt', async () => {
    body.receive(Buffer.alloc(11))
    body.lengthBytes = 10
    expect(told.aborted).toBe(true)
    const failure = await pumped().catch((error: unknown) => error)
    expect(isFailure(failure, 'backend-corrupt')).toBe(true)
  })

  test('is as long as its head says, which is read after its last byte: less is corrupt', async () => {
    body.receive(Buffer.alloc(9))
    body.finish()
    body.lengthBytes = 10
    const failure = await pumped().catch((error: unknown) => error)
    expect(isFailure(failure, 'backend-corrupt')).toBe(true)
  })

  test('hands on what came before its connection broke', async () => {
    body.receive(Buffer.alloc(7))
    body.breakOff(new Error('reset'))
    let bytes = 0
    const pump = body.pump((chunk) => {
      bytes += chunk.length
    })
    await expect(pump).rejects.toThrow('reset')
    expect(bytes).toBe(7)
  })
})

test('a slow reader holds the bound and no more, whatever comes', async () => {
  const turn = Promise.withResolvers<void>()
  const lengths: number[] = []
  const all = body.pump((chunk) => {
    lengths.push(chunk.length)
    return turn.promise
  })
  for (const _ of Array.from({ length: 5 })) body.receive(Buffer.alloc(HELD_BYTES_MAX / 4))
  // The first is with the reader, four wait for it.
  expect(told.calls).toEqual(['pause'])
  turn.resolve()
  body.finish()
  await all
  expect(lengths).toHaveLength(5)
})
