import { afterEach, expect, test } from 'vitest'
import { cachedBucket, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal

/** Objects of these names at the store and in the cache, confirmed a second ago. */
async function openWith(...keys: readonly string[]): Promise<void> {
  rig = await Rig.open(cachedBucket({ revalidate: { kind: 'never' } }))
  for (const key of keys) {
    rig.remote.put('remote', key, 'old')
    await rig.get(key)
  }
  await rig.idle()
  rig.clock.shiftMs += 1000
}

async function listAll(
  options: {
    readonly prefix?: string
    readonly delimiter?: string
    readonly after?: string
    readonly pageMax?: number
  } = {},
): Promise<readonly string[]> {
  const names: string[] = []
  let token: string | undefined
  do {
    const request = { bucket: rig.bucket, prefix: '', pageMax: 1000, signal, ...options, token }
    const page = await rig.target.list(request)
    names.push(...page.objects.map(({ key }) => key))
    token = page.nextToken
  } while (token !== undefined)
  return names
}

/** Which of the entries would be asked about before their next use. */
const doubted = (...keys: readonly string[]): readonly string[] =>
  keys.filter((key) => rig.context.store.get(rig.bucket.id, key)?.validatedMs === 0)

test('a page that shows another version makes the entry stale, and no other', async () => {
  await openWith('a', 'b', 'c')
  rig.remote.put('remote', 'b', 'new')
  await listAll()
  expect(doubted('a', 'b', 'c')).toEqual(['b'])
  expect((await rig.get('b'))?.toString()).toBe('new')
})

test.each([1, 2, 3, 1000])(
  'what pages of %i names have not is stale, and not removed',
  async (pageMax) => {
    await openWith('a', 'b', 'c', 'd', 'e')
    for (const key of ['a', 'c', 'e']) rig.remote.delete('remote', key)
    expect(await listAll({ pageMax })).toEqual(['b', 'd'])
    expect(doubted('a', 'b', 'c', 'd', 'e')).toEqual(['a', 'c', 'e'])
    expect(await rig.get('c')).toBeUndefined()
  },
)

test('an empty listing makes everything stale that it is about', async () => {
  await openWith('a', 'p/1', 'p/2')
  for (const key of ['p/1', 'p/2']) rig.remote.delete('remote', key)
  expect(await listAll({ prefix: 'p/' })).toEqual([])
  expect(doubted('a', 'p/1', 'p/2')).toEqual(['p/1', 'p/2'])
})

test('names before the start, of other prefixes and below common ones are left alone', async () => {
  await openWith('a', 'b', 'c', 'dir/x')
  for (const key of ['a', 'b', 'c', 'dir/x']) rig.remote.delete('remote', key)
  rig.remote.put('remote', 'dir/y', 'other')
  await listAll({ after: 'b', delimiter: '/' })
  expect(doubted('a', 'b', 'c', 'dir/x')).toEqual(['c'])
})

test('what was confirmed after the page was asked for is believed', async () => {
  await openWith('a')
  // The store has made its answer when the object is written here.
  const act = async (): Promise<void> => {
    await rig.clock.sleep(5)
    await rig.put('b', 'ours')
    await rig.put('a', 'ours')
  }
  rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['list'] })
  await listAll()
  expect(doubted('a', 'b')).toEqual([])
})

test('a token of another kind is refused', async () => {
  await openWith('a', 'b')
  const request = { bucket: rig.bucket, prefix: '', pageMax: 1, signal }
  const { nextToken = '' } = await rig.target.list(request)
  for (const token of [
    `${nextToken}x`,
    '1.Yg',
    '1.WzFd',
    `1.${Buffer.from('["a"]').toString('base64url')}`,
  ]) {
    await expect(rig.target.list({ ...request, token })).rejects.toMatchObject({
      code: 'argument-invalid',
    })
  }
})
