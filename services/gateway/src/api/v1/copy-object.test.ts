import { afterEach, beforeEach, expect, test } from 'vitest'
import type { V1Need } from './context.ts'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

let door: TestDoor
let refused: readonly [need: V1Need, bucket: string] | undefined

beforeEach(async () => {
  refused = undefined
  door = await openTestDoor({
    allows: (need, bucket) => refused?.[0] !== need || refused[1] !== bucket,
  })
  const namespace = { uuid: '', name: '' }
  for (const name of ['from', 'to']) {
    await door.buckets.create({ provider: 'ais', namespace, name }, {})
  }
  await fetch(`${door.url}/v1/objects/from/a`, { method: 'PUT', body: 'bytes' })
})
afterEach(() => door.close())

const copy = (key: string, to: string, more = ''): Promise<Response> =>
  fetch(
    `${door.url}/v1/objects/from/${key}?object_to=${encodeURIComponent(to)}&latest-ver=false${more}`,
    { method: 'PUT' },
  )

test('an object is copied to the name that object_to has, in its bucket and in another', async () => {
  for (const to of ['ais/@#/to/dir/b', 'ais/@#/from/c']) {
    const answer = await copy('a', to)
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect(answer.headers.get('ais-atime')).toMatch(/^\d+$/)
  }
  expect(await (await fetch(`${door.url}/v1/objects/to/dir/b`)).text()).toBe('bytes')
  expect(await (await fetch(`${door.url}/v1/objects/from/c`)).text()).toBe('bytes')
})

test('the store is asked about the source where the newest version is wanted', async () => {
  await copy('a', 'ais/@#/to/b', '&synchronize=true')
  expect(door.target.requests).toContainEqual(expect.objectContaining({ key: 'a', latest: true }))
})

test.each([
  ['a', 'ais/@#/from/a', 400],
  ['a', 'ais/@#/to', 400],
  ['a', 'nothing', 400],
  ['a', 'ais/@#/none/b', 404],
  ['gone', 'ais/@#/to/b', 404],
])('%s to %s is refused', async (key, to, status) => {
  expect((await copy(key, to)).status).toBe(status)
  expect([...door.target.objects]).toHaveLength(1)
})

test('a copy needs to be allowed on both of its sides', async () => {
  refused = ['read', 'from']
  expect((await copy('a', 'ais/@#/to/b')).status).toBe(403)
  refused = ['write', 'to']
  expect((await copy('a', 'ais/@#/to/b')).status).toBe(403)
  expect([...door.target.objects]).toHaveLength(1)
})
