import assert from 'node:assert/strict'
import type { ListOptions } from '../backend.ts'
import {
  type ConformanceHarness,
  type OpenStore,
  quietSignal,
  type Scenario,
  testBytes,
} from './case.ts'

/** In the order of their UTF-8 bytes. */
const ODD_KEYS = [
  ' leading space',
  '!exclamation',
  'a b',
  'a%2Fb',
  'a&b<c>"d"',
  'a+b=c',
  'a//b',
  'dir/',
  "quote's",
  'z?q#f',
  '\u00e9t\u00e9',
  '\uff5e',
  '\u{1f600}/x',
]

const TREE = ['a/1', 'a/2', 'a/b/3', 'b', 'c/4', 'c0', 'd']

async function fill(store: OpenStore, keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.put(key, key.endsWith('/') ? Buffer.alloc(0) : testBytes(3))
}

/** Every page of a listing, checked for its bound. */
async function listAll(
  store: OpenStore,
  options: Partial<ListOptions>,
): Promise<{ readonly keys: string[]; readonly prefixes: string[] }> {
  const keys: string[] = []
  const prefixes: string[] = []
  let continuationToken: string | undefined
  const pageMax = options.pageMax ?? 1000
  do {
    const page = await store.backend.list({
      prefix: '',
      signal: quietSignal(),
      ...options,
      pageMax,
      continuationToken,
    })
    assert(page.objects.length + page.commonPrefixes.length <= pageMax, 'the page is too long')
    keys.push(...page.objects.map(({ key }) => key))
    prefixes.push(...page.commonPrefixes)
    assert(keys.length + prefixes.length < 1000, 'the listing does not end')
    continuationToken = page.nextToken
  } while (continuationToken !== undefined)
  return { keys, prefixes }
}

function oddKeys({ keysRefused = [] }: ConformanceHarness): string[] {
  return ODD_KEYS.filter((key) => !keysRefused.includes(key))
}

export const LIST_SCENARIOS: readonly Scenario[] = [
  {
    title: 'an empty bucket lists nothing',
    async play(store) {
      assert.deepEqual(await listAll(store, {}), { keys: [], prefixes: [] })
    },
  },
  {
    title: 'any key is listed as it is, in the order of the store',
    async play(store, harness) {
      const keys = oddKeys(harness)
      // JavaScript compares units of UTF-16.
      if (harness.listOrder === 'utf-16') keys.sort()
      await fill(store, keys.toReversed())
      assert.deepEqual(await listAll(store, {}), { keys, prefixes: [] })
    },
  },
  {
    title: 'any key is read by its name',
    async play(store, harness) {
      for (const key of oddKeys(harness)) {
        const bytes = key.endsWith('/') ? Buffer.alloc(0) : Buffer.from(`of ${key}`)
        await store.put(key, bytes)
        const head = await store.backend.head({ key, signal: quietSignal() })
        assert(head.kind === 'found', `${key} is absent`)
        assert.equal(head.attributes.sizeBytes, bytes.length)
      }
    },
  },
  {
    title: 'pages of any size join to the whole listing, without a gap or a double',
    async play(store) {
      await fill(store, TREE)
      for (const pageMax of [1, 2, 3, TREE.length, 1000]) {
        assert.deepEqual(await listAll(store, { pageMax }), { keys: TREE, prefixes: [] })
      }
    },
  },
  {
    title: 'a delimiter rolls keys up, and a prefix goes into them',
    async play(store) {
      await fill(store, TREE)
      for (const pageMax of [1, 2, 1000]) {
        assert.deepEqual(await listAll(store, { delimiter: '/', pageMax }), {
          keys: ['b', 'c0', 'd'],
          prefixes: ['a/', 'c/'],
        })
        assert.deepEqual(await listAll(store, { delimiter: '/', prefix: 'a/', pageMax }), {
          keys: ['a/1', 'a/2'],
          prefixes: ['a/b/'],
        })
      }
      assert.deepEqual(await listAll(store, { prefix: 'c' }), { keys: ['c/4', 'c0'], prefixes: [] })
    },
  },
  {
    title: 'a listing starts after the given name, exclusive, present or not',
    async play(store) {
      await fill(store, TREE)
      assert.deepEqual((await listAll(store, { startAfter: 'a/2' })).keys, TREE.slice(2))
      assert.deepEqual((await listAll(store, { startAfter: 'a/20' })).keys, TREE.slice(2))
      assert.deepEqual((await listAll(store, { startAfter: 'd' })).keys, [])
    },
  },
]
