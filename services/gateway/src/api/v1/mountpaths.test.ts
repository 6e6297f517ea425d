import { afterEach, beforeEach, expect, test } from 'vitest'
import type { MountpathControl, MountpathStatus } from './mountpaths.ts'
import { openTestDoor, type TestDoor, type TestDoorOptions } from './testing/test-door.ts'

const statusOf = (path: string, state = 'enabled'): MountpathStatus => ({
  path,
  state,
  usedBytes: 1,
  capacityBytes: 2,
})

/** Mountpaths that only remember what they were told. */
class ToldMountpaths implements MountpathControl {
  readonly orders: string[] = []
  list(): readonly MountpathStatus[] {
    return [
      statusOf('/one'),
      statusOf('/two', 'draining'),
      statusOf('/three', 'disabled'),
      statusOf('/four', 'faulted'),
    ]
  }
  attach(path: string): Promise<MountpathStatus> {
    return this.#bring('attach', path)
  }
  enable(path: string): Promise<MountpathStatus> {
    return this.#bring('enable', path)
  }
  check(path: string): Promise<MountpathStatus> {
    return this.#bring('check', path)
  }
  detach(path: string, { force }: { readonly force: boolean }) {
    return this.#leave('detach', path, force)
  }
  disable(path: string, { force }: { readonly force: boolean }) {
    return this.#leave('disable', path, force)
  }
  async #bring(what: string, path: string): Promise<MountpathStatus> {
    this.orders.push(`${what} ${path}`)
    return statusOf(path)
  }
  async #leave(what: string, path: string, force: boolean) {
    this.orders.push(`${what} ${path}${force ? ' by force' : ''}`)
    return { objectCount: force ? 3 : 0, bytes: 0 }
  }
}

let door: TestDoor
let mountpaths: ToldMountpaths
const open = async (options: TestDoorOptions = {}): Promise<void> => {
  mountpaths = new ToldMountpaths()
  door = await openTestDoor({ mountpaths, ...options })
}
beforeEach(() => open())
afterEach(() => door.close())

const change = (
  method: string,
  body: unknown,
  options: { readonly query?: string; readonly path?: string } = {},
): Promise<Response> =>
  fetch(`${door.url}${options.path ?? '/v1/daemon/mountpaths'}${options.query ?? ''}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const order = (method: string, action: string, query = ''): Promise<Response> =>
  change(method, { action, value: '/mp' }, { query })

test('mountpaths are listed by what they are good for', async () => {
  const answer = await fetch(`${door.url}/v1/daemon?what=mountpaths`)
  expect(await answer.json()).toEqual({
    available: ['/one'],
    waiting_dd: ['/two'],
    disabled: ['/three', '/four'],
  })
})

test.each([
  ['PUT', 'attach-mp', 'attach /mp'],
  ['POST', 'enable-mp', 'enable /mp'],
  ['POST', 'disable-mp', 'disable /mp'],
  ['POST', 'fshc-mp', 'check /mp'],
  ['DELETE', 'detach-mp', 'detach /mp'],
])('%s with %s does that, by both addresses of AIStore', async (method, action, done) => {
  expect((await order(method, action)).status).toBe(200)
  const path = '/v1/reverse/daemon/mountpaths'
  expect((await change(method, { action, value: '/mp' }, { path })).status).toBe(200)
  expect(mountpaths.orders).toEqual([done, done])
})

test('by force a mountpath leaves at once, and the answer counts what only it had', async () => {
  const forced = await order('DELETE', 'detach-mp', '?dntres=true')
  expect(await forced.json()).toMatchObject({ objectCount: 3 })
  expect((await order('POST', 'disable-mp', '?dntres=false')).status).toBe(200)
  expect(mountpaths.orders).toEqual(['detach /mp by force', 'disable /mp'])
})

test.each([
  ['an action of another method', 'PUT', { action: 'detach-mp', value: '/mp' }],
  ['an action that nobody knows', 'POST', { action: 'polish-mp', value: '/mp' }],
  ['no path', 'PUT', { action: 'attach-mp' }],
  ['an empty path', 'PUT', { action: 'attach-mp', value: '' }],
  ['a path that is no text', 'PUT', { action: 'attach-mp', value: { path: '/mp' } }],
  ['no action', 'PUT', { value: '/mp' }],
  ['no body of an action', 'PUT', null],
])('%s is refused, and nothing is done', async (_what, method, body) => {
  expect((await change(method, body)).status).toBe(400)
  expect(mountpaths.orders).toEqual([])
})

test('other methods are told which there are, and what is not built is said to be so', async () => {
  const patched = await order('PATCH', 'attach-mp')
  expect(patched.status).toBe(405)
  expect(patched.headers.get('allow')).toBe('PUT, POST, DELETE')
  expect((await order('POST', 'rescan-mp')).status).toBe(501)
})

test('only an admin changes mountpaths', async () => {
  await door.close()
  await open({ allows: (need) => need !== 'admin' })
  for (const [method, action] of [
    ['PUT', 'attach-mp'],
    ['POST', 'enable-mp'],
    ['DELETE', 'detach-mp'],
  ] as const) {
    expect((await order(method, action, '?dntres=true')).status, action).toBe(403)
  }
  expect(mountpaths.orders).toEqual([])
})

test('a node whose store has no mountpaths to change says so', async () => {
  await door.close()
  await open({ mountpaths: undefined })
  expect((await order('PUT', 'attach-mp')).status).toBe(501)
})
