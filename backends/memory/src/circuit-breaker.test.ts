import type { MutationOperations } from '@forebay/backend-port/backend'
import { CIRCUIT_DEFAULTS, Circuit } from '@forebay/backend-port/circuit'
import { withCircuitBreaker } from '@forebay/backend-port/with-circuit-breaker'
import { systemClock } from '@forebay/base/clock'
import { expect, test } from 'vitest'
import { createMemoryBackend } from './memory-backend.ts'
import { MemoryStore } from './memory-store.ts'

const { signal } = new AbortController()
const { failuresMin, silentForMs } = CIRCUIT_DEFAULTS

/** A store that answers questions at once and takes for ever to put bytes together. */
function openSlow() {
  const store = new MemoryStore()
  store.createBucket('b')
  store.put('b', 'k', Buffer.alloc(10))
  const backend = createMemoryBackend(store, 'b')
  if (backend.mutations === undefined) throw new Error('no mutations')
  const never = (): Promise<never> => new Promise(() => undefined)
  const mutations = { ...backend.mutations, copy: never, copyPart: never, completeUpload: never }
  let nowMs = 0
  const circuit = new Circuit('b', {
    ...CIRCUIT_DEFAULTS,
    clock: { ...systemClock, monotonic: () => nowMs },
    random: () => 1,
    probe: () => Promise.resolve(),
  })
  return {
    circuit,
    broken: withCircuitBreaker({ ...backend, mutations }, circuit),
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

const source = {
  sourceBucket: 'b',
  sourceKey: 'k',
  sourceConditions: {},
  conditions: {},
  checksums: [],
}

const LONG: Readonly<Record<string, (mutations: MutationOperations) => Promise<unknown>>> = {
  copy: (mutations) =>
    mutations.copy({
      ...source,
      key: 'c',
      headers: {},
      metadata: {},
      replaceMetadata: false,
      signal,
    }),
  'copy of a part': (mutations) =>
    mutations.copyPart({ ...source, key: 'c', uploadId: 'u', partNumber: 1, signal }),
  'completed upload': (mutations) =>
    mutations.completeUpload({ key: 'c', uploadId: 'u', parts: [], conditions: {}, signal }),
}

test.each(Object.entries(LONG))('a %s may take long at a store that is well', async (_, ask) => {
  const { broken, circuit, pass } = openSlow()
  for (let at = 0; at < failuresMin; at++) {
    if (broken.mutations !== undefined) void ask(broken.mutations)
  }
  pass(silentForMs)
  await broken.head({ key: 'k', signal })
  expect(circuit.state).toBe('closed')
})
