import { conformanceCases } from '@forebay/backend-port/conformance'
import { describe, test } from 'vitest'
import { createMemoryBackend, MEMORY_CAPABILITIES } from './memory-backend.ts'
import { MemoryStore } from './memory-store.ts'

describe.each([{ versioned: false }, { versioned: true }])('in memory, $versioned', (options) => {
  const cases = conformanceCases({
    tagging: true,
    capabilities: MEMORY_CAPABILITIES,
    partBytesMin: 1000,
    async open() {
      const store = new MemoryStore({ partBytesMin: 1000 })
      store.createBucket('b', options)
      return {
        backend: createMemoryBackend(store, 'b'),
        missing: createMemoryBackend(store, 'no-such-bucket'),
        bucket: 'b',
        put: async (key, bytes) => void store.put('b', key, bytes),
        remove: async (key) => store.delete('b', key),
        close: async () => undefined,
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
})
