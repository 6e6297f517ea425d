import type { ScrubOrder, ScrubPort, ScrubStatus } from '@forebay/peer/scrub-port'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTestDoor, type TestDoor, type TestDoorOptions } from './testing/test-door.ts'

const FINDING = {
  bucket: 'ais://b',
  key: 'k',
  damage: 'wrong-bytes',
  action: 'kept-damaged',
  path: '/mp/k',
  foundMs: 5000,
} as const

/** A scrub that only remembers what it was told. */
class ToldScrub implements ScrubPort {
  readonly orders: ScrubOrder[] = []
  start(order: ScrubOrder): ScrubStatus {
    this.orders.push(order)
    return this.status()
  }
  async stop(): Promise<ScrubStatus> {
    return { ...this.status(), state: 'idle' }
  }
  hold(): Promise<void> {
    return Promise.resolve()
  }
  status(): ScrubStatus {
    return { state: 'running', totalBytes: 9, nextMs: 1000, findings: [FINDING] }
  }
}

let door: TestDoor
let scrub: ToldScrub
const open = async (options: TestDoorOptions = {}): Promise<void> => {
  scrub = new ToldScrub()
  door = await openTestDoor({ ...options, scrub })
}
beforeEach(() => open())
afterEach(() => door.close())

const ask = (method: string, query = ''): Promise<Response> =>
  fetch(`${door.url}/v1/forebay/scrub${query}`, { method })

test('how far a scrub is can be asked; what it found comes only when that is asked for', async () => {
  expect(await (await ask('GET')).json()).toEqual({
    state: 'running',
    waitsFor: null,
    pass: null,
    lastWhole: null,
    totalObjects: null,
    totalBytes: 9,
    bytesPerSecond: null,
    remainingSeconds: null,
    next: '1970-01-01T00:00:01.000Z',
  })
  const { foundMs: _, ...finding } = FINDING
  expect(await (await ask('GET', '?findings=true')).json()).toMatchObject({
    findings: [{ ...finding, found: '1970-01-01T00:00:05.000Z' }],
  })
})

test('a pass is begun over everything or a part, at the rate that is asked for', async () => {
  const body = JSON.stringify({ action: 'create-bck', name: '', value: null })
  await fetch(`${door.url}/v1/buckets/b?provider=ais`, { method: 'POST', body })
  const [{ id } = { id: 0 }] = door.buckets.get('b', 'ais')
  expect((await ask('POST')).status).toBe(200)
  expect((await ask('POST', '?bucket=b&provider=ais&prefix=x%2F&rate=2MiB')).status).toBe(200)
  expect(scrub.orders).toEqual([
    { bytesPerSecond: undefined },
    { scope: { bucketId: id, prefix: 'x/' }, bytesPerSecond: 2 * 1024 ** 2 },
  ])
  expect((await ask('POST', '?bucket=nobody')).status).toBe(404)
  expect((await ask('POST', '?rate=fast')).status).toBe(400)
  expect(scrub.orders).toHaveLength(2)
})

test('a pass is ended by DELETE, and no other method does anything', async () => {
  expect(await (await ask('DELETE')).json()).toMatchObject({ state: 'idle' })
  const answer = await ask('PUT')
  expect(answer.status).toBe(405)
  expect(answer.headers.get('allow')).toBe('GET, POST, DELETE')
})

test('only an admin begins or ends a pass, or learns which files are damaged', async () => {
  await door.close()
  await open({ allows: (need) => need !== 'admin' })
  expect((await ask('GET')).status).toBe(200)
  for (const [method, query] of [['GET', '?findings=true'], ['POST'], ['DELETE']] as const) {
    expect((await ask(method, query)).status, method).toBe(403)
  }
  expect(scrub.orders).toEqual([])
})

test('a prefix without its bucket is refused: it would be a pass over everything', async () => {
  for (const query of ['prefix=a/', 'provider=aws']) {
    const answer = await fetch(`${door.url}/v1/forebay/scrub?${query}`, { method: 'POST' })
    expect([answer.status, scrub.orders]).toEqual([400, []])
  }
})
