import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { MemoryStore } from '@forebay/backend-memory/memory-store'
import type { Backend } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { OriginSpan, Tracing } from '@forebay/observe/tracing'
import { beforeEach, expect, test } from 'vitest'
import { traceBackend } from './trace-backend.ts'

const { signal } = new AbortController()

type End = Parameters<OriginSpan['end']>[0]

/** Traces that are kept here instead of sent. */
function keepTraces() {
  const ends: (End & { readonly operation: string; readonly backend: string })[] = []
  const kept = { ends, isTraced: true }
  const tracing: Tracing = {
    serve: (_request, handle) => handle(),
    answered: () => undefined,
    step: (_name, act) => act(),
    origin: (call) =>
      kept.isTraced
        ? { run: (act) => act(), end: (end) => void ends.push({ ...call, ...end }) }
        : undefined,
    repeated: () => undefined,
    close: async () => undefined,
  }
  return { kept, tracing }
}

let store: MemoryStore
let kept: ReturnType<typeof keepTraces>['kept']
let plain: Backend
let backend: Backend

beforeEach(() => {
  store = new MemoryStore()
  store.createBucket('b')
  store.put('b', 'k', Buffer.alloc(100))
  const traces = keepTraces()
  kept = traces.kept
  plain = createMemoryBackend(store, 'b')
  backend = traceBackend(plain, traces.tracing)
})

const OF = { backend: 'memory://b', operation: 'read' }

async function readAll(): Promise<number> {
  const result = await backend.read({ key: 'k', signal })
  if (result.kind !== 'found') throw new Error(`the answer is ${result.kind}`)
  expect(kept.ends).toEqual([])
  let bytes = 0
  await result.body.pump((chunk) => {
    bytes += chunk.length
  })
  return bytes
}

test('without traces the backend is left as it is', () => {
  expect(traceBackend(plain, undefined)).toBe(plain)
})

test('the span of a read ends with its body, and says how many bytes came', async () => {
  expect(await readAll()).toBe(100)
  expect(kept.ends).toEqual([{ ...OF, outcome: 'found', failed: false, bytesRead: 100 }])
})

test('a body that is not wanted ends the span once', async () => {
  const result = await backend.read({ key: 'k', signal })
  if (result.kind !== 'found') throw new Error(`the answer is ${result.kind}`)
  result.body.discard()
  result.body.discard()
  expect(kept.ends).toEqual([{ ...OF, outcome: 'found', failed: false, bytesRead: 0 }])
})

test('a body that breaks off is a failed request', async () => {
  store.addFault({ action: { kind: 'cut-body', afterBytes: 10 }, on: ['read'] })
  await expect(readAll()).rejects.toThrow(Failure)
  expect(kept.ends).toMatchObject([{ ...OF, failed: true }])
})

test('an object that is not there is an answer, not a failure', async () => {
  await expect(backend.read({ key: 'absent', signal })).resolves.toEqual({ kind: 'absent' })
  expect(kept.ends).toEqual([{ ...OF, outcome: 'absent', failed: false }])
})

test('a store that cannot be reached is a failed request, named by its code', async () => {
  store.addFault({ action: { kind: 'refuse', code: 'backend-unreachable' }, times: 2 })
  await expect(backend.read({ key: 'k', signal })).rejects.toThrow(Failure)
  await expect(backend.head({ key: 'k', signal })).rejects.toThrow(Failure)
  const end = { outcome: 'backend-unreachable', failed: true }
  expect(kept.ends).toEqual([
    { ...OF, ...end },
    { ...OF, operation: 'head', ...end },
  ])
})

test('a reader that leaves is no failure of the store', async () => {
  const abort = new AbortController()
  store.addFault({ action: { kind: 'hang' }, on: ['read'] })
  const reading = backend.read({ key: 'k', signal: abort.signal })
  abort.abort(new Error('the reader left'))
  await expect(reading).rejects.toThrow('the reader left')
  expect(kept.ends).toEqual([{ ...OF, outcome: 'aborted', failed: false }])
})

test('a change has a span too', async () => {
  await backend.mutations?.delete({ key: 'k', conditions: {}, signal })
  expect(kept.ends).toEqual([{ ...OF, operation: 'delete', outcome: 'ok', failed: false }])
})

test('what no traced request needs is done without a span', async () => {
  kept.isTraced = false
  expect(await readAll()).toBe(100)
  await backend.head({ key: 'k', signal })
  expect(kept.ends).toEqual([])
})
