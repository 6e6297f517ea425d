import assert from 'node:assert/strict'
import type { Tags } from '@forebay/model/object'
import type { TaggingOperations } from '../backend.ts'
import {
  assertFails,
  bodyOf,
  mutationsOf,
  type OpenStore,
  plainWrite,
  quietSignal,
  type Scenario,
  testBytes,
} from './case.ts'

const TAGS: Tags = [
  { key: 'team', value: 'blue + ü' },
  { key: 'empty', value: '' },
]

/** Order is the store's. */
function sorted(tags: Tags): Tags {
  return tags.toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

function taggingOf({ backend }: OpenStore): TaggingOperations {
  assert(backend.tagging !== undefined, 'the harness says that the store has tags')
  return backend.tagging
}

function tags({ tagging }: { readonly tagging?: boolean | undefined }): boolean {
  return tagging === true
}

export const TAG_SCENARIOS: readonly Scenario[] = [
  {
    title: 'tags are replaced as a whole, and the object stays as it is',
    needs: tags,
    async play(store) {
      const tagging = taggingOf(store)
      const signal = quietSignal()
      const written = await mutationsOf(store).write(plainWrite('k'), bodyOf(testBytes(10)))
      assert.deepEqual((await tagging.get({ key: 'k', signal })).tags, [])
      await tagging.put({ key: 'k', tags: TAGS, signal })
      assert.deepEqual(sorted((await tagging.get({ key: 'k', signal })).tags), sorted(TAGS))
      const head = await store.backend.head({ key: 'k', signal })
      assert.equal(head.kind === 'found' && head.attributes.etag, written.etag)
      await tagging.put({ key: 'k', tags: [], signal })
      assert.deepEqual((await tagging.get({ key: 'k', signal })).tags, [])
    },
  },
  {
    title: 'tags go with a write, and an answer about the object counts them',
    needs: tags,
    async play(store) {
      const signal = quietSignal()
      const write = { ...plainWrite('k'), tags: TAGS }
      await mutationsOf(store).write(write, bodyOf(testBytes(10)))
      const read = await taggingOf(store).get({ key: 'k', signal })
      assert.deepEqual(sorted(read.tags), sorted(TAGS))
      const found = await store.backend.read({ key: 'k', signal })
      assert(found.kind === 'found')
      found.body.discard()
      assert.equal(found.attributes.tagCount, 2)
    },
  },
  {
    title: 'what is not there has no tags',
    needs: tags,
    async play(store) {
      const signal = quietSignal()
      await assertFails(taggingOf(store).get({ key: 'k', signal }), 'object-not-found')
      await assertFails(taggingOf(store).put({ key: 'k', tags: TAGS, signal }), 'object-not-found')
    },
  },
  {
    title: 'a bucket has tags of its own, or none',
    needs: tags,
    async play(store) {
      const tagging = taggingOf(store)
      const signal = quietSignal()
      assert.equal(await tagging.getOfBucket({ signal }), undefined)
      await tagging.putOfBucket({ tags: TAGS, signal })
      assert.deepEqual(sorted((await tagging.getOfBucket({ signal })) ?? []), sorted(TAGS))
      await tagging.putOfBucket({ tags: [], signal })
      assert.equal(await tagging.getOfBucket({ signal }), undefined)
    },
  },
]
