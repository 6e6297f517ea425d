import { pack } from '@forebay/archive/testing/archives'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

let door: TestDoor

beforeEach(async () => {
  door = await openTestDoor()
  const namespace = { uuid: '', name: '' }
  await door.buckets.create({ provider: 'ais', namespace, name: 'b' }, {})
  await put('a.tar', await pack('tar', { 'd/1': 'x', 'd/2': 'xx', e: '' }))
  await put('b.txt', Buffer.from('text'))
  await put('c.tgz', await pack('tgz', { one: '1' }))
  await put('z.zip', await pack('zip', { two: '22' }))
})
afterEach(() => door.close())

async function put(key: string, bytes: Buffer): Promise<void> {
  const body = new Uint8Array(bytes)
  await fetch(`${door.url}/v1/objects/b/${key}`, { method: 'PUT', body })
}

interface Entry {
  readonly name: string
  readonly size?: string
  readonly flags?: number
}

async function list(
  query: Readonly<Record<string, string>>,
): Promise<{ readonly entries: readonly Entry[]; readonly token: string }> {
  const text = new URLSearchParams({ flags: '8', props: 'name,size', ...query })
  const answer = await fetch(`${door.url}/v1/buckets/b?${text}`)
  const { entries, continuation_token: token } = JSON.parse(await answer.text())
  return { entries, token }
}

const namesOf = ({ entries }: { readonly entries: readonly Entry[] }) =>
  entries.map(({ name }) => name)

const ALL = [
  ...['a.tar', 'a.tar/d/1', 'a.tar/d/2', 'a.tar/e', 'b.txt'],
  ...['c.tgz', 'c.tgz/one', 'z.zip', 'z.zip/two'],
]

test('archives are folders of their members where a list wants that', async () => {
  const page = await list({})
  expect(namesOf(page)).toEqual(ALL)
  expect(page.token).toBe('')
  expect(page.entries.slice(1, 5)).toEqual([
    { name: 'a.tar/d/1', size: '1', flags: 192 },
    { name: 'a.tar/d/2', size: '2', flags: 192 },
    { name: 'a.tar/e', size: '0', flags: 192 },
    { name: 'b.txt', size: '4', flags: 64 },
  ])
  expect(page.entries[0]?.flags).toBe(576)
  expect(namesOf(await list({ flags: '0' }))).toEqual(['a.tar', 'b.txt', 'c.tgz', 'z.zip'])
})

test.each([1, 2, 3, 4, 5])('pages of %i names tell every name once', async (pagesize) => {
  const names: string[] = []
  let token = ''
  for (let pages = 0; pages < 20; pages++) {
    const page = await list({ pagesize: String(pagesize), continuation_token: token })
    expect(page.entries.length).toBeLessThanOrEqual(pagesize)
    names.push(...namesOf(page))
    token = page.token
    if (token === '') break
  }
  expect(names).toEqual(ALL)
})

test('a prefix may lead into an archive', async () => {
  expect(namesOf(await list({ prefix: 'a.tar' }))).toEqual(ALL.slice(0, 4))
  expect(namesOf(await list({ prefix: 'a.tar/' }))).toEqual(ALL.slice(1, 4))
  const first = await list({ prefix: 'a.tar/d', pagesize: '1' })
  const second = await list({ prefix: 'a.tar/d', pagesize: '1', continuation_token: first.token })
  expect([...namesOf(first), ...namesOf(second)]).toEqual(['a.tar/d/1', 'a.tar/d/2'])
  expect(namesOf(await list({ prefix: 'none.tar/d' }))).toEqual([])
})

test('what is deleted between two pages does not bring names twice', async () => {
  const first = await list({ pagesize: '2' })
  expect(namesOf(first)).toEqual(['a.tar', 'a.tar/d/1'])
  await fetch(`${door.url}/v1/objects/b/a.tar`, { method: 'DELETE' })
  const second = await list({ continuation_token: first.token })
  expect(namesOf(second)).toEqual(ALL.slice(4))
})

test('a TAR is not walked over again for its next page', async () => {
  const members = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`m${at + 10}`, 'x']))
  await put('a.tar', await pack('tar', members))
  const first = await list({ prefix: 'a.tar/', pagesize: '30' })
  const second = { prefix: 'a.tar/', pagesize: '30', continuation_token: first.token }
  expect(namesOf(await list(second))).toHaveLength(10)
  const ranges = door.target.requests.flatMap(
    (one) => JSON.stringify(one).match(/"first":\d+/g) ?? [],
  )
  expect(ranges.at(-1)).toBe(`"first":${30 * 1024}`)
})

test('an archive that is broken is listed as the object that it is', async () => {
  await put('a.tar', Buffer.alloc(2048, 'no archive'))
  expect(namesOf(await list({}))).toEqual(['a.tar', ...ALL.slice(4)])
})

test('archives of a store that are not whole in the cache stay closed', async () => {
  const namespace = { uuid: '', name: '' }
  const binding = { backend: { provider: 'aws', bucket: 'r' } } as const
  const remote = await door.buckets.create({ provider: 'aws', namespace, name: 'r' }, binding)
  for (const [name, stored] of [...door.target.objects]) {
    door.target.objects.set(`${remote.id}/${name.slice(name.indexOf('/') + 1)}`, stored)
  }
  door.target.partial.add(`${remote.id}/a.tar`)
  const answer = await fetch(`${door.url}/v1/buckets/r?flags=8`)
  const { entries } = JSON.parse(await answer.text())
  expect(namesOf({ entries })).toEqual(['a.tar', ...ALL.slice(4)])
})

test.each(['x', 'a.e30', 'a.bm8', 'a.'])('the token %s is refused', async (token) => {
  const query = new URLSearchParams({ flags: '8', continuation_token: token })
  expect((await fetch(`${door.url}/v1/buckets/b?${query}`)).status).toBe(400)
})
