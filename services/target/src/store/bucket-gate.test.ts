import { expect, test } from 'vitest'
import { BucketGate } from './bucket-gate.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a seal waits for the commits under way, of its bucket alone', async () => {
  const gate = new BucketGate()
  const [first, other] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  const commits = [gate.pass(1, () => first.promise), gate.pass(2, () => other.promise)]
  let sealed = false
  const sealing = gate.seal(1).then(() => {
    sealed = true
  })
  await turn()
  expect(sealed).toBe(false)
  first.resolve('one')
  await sealing
  other.resolve('two')
  expect(await Promise.all(commits)).toEqual(['one', 'two'])
})

test('a commit waits for the decision about its bucket, and goes on when it stays', async () => {
  const gate = new BucketGate()
  await Promise.all([gate.seal(1), gate.seal(1)])
  let committed = false
  const commit = gate.pass(1, async () => {
    committed = true
  })
  gate.unseal(1)
  await turn()
  expect(committed).toBe(false)
  gate.unseal(1)
  await commit
  expect(committed).toBe(true)
})

test('a bucket that is gone takes no commit, waiting or new', async () => {
  const gate = new BucketGate()
  await gate.seal(1)
  const waiting = gate.pass(1, async () => 'committed')
  const expected = expect(waiting).rejects.toMatchObject({ code: 'bucket-not-found' })
  await gate.close(1)
  await expected
  const late = gate.pass(1, async () => 'committed')
  await expect(late).rejects.toMatchObject({ code: 'bucket-not-found' })
  gate.unseal(1)
  expect(await gate.pass(2, async () => 'committed')).toBe('committed')
})

test('a commit that fails is over', async () => {
  const gate = new BucketGate()
  await expect(gate.pass(1, () => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO')
  await gate.seal(1)
})
