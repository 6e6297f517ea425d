import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli } from './program.ts'

interface Told {
  readonly path: string
  readonly state: string
  readonly objectCount?: number
  readonly reason?: string
}

let seen: string[]
/** What the node says of its mountpaths, one answer after the other; the last one stays. */
let lists: (readonly Told[])[]
let left: number
let server: ReturnType<typeof createServer>

beforeEach(async () => {
  seen = []
  lists = [[]]
  left = 0
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    if (request.method === 'GET') {
      const now = lists.length > 1 ? lists.shift() : lists[0]
      const mountpaths = now?.map((one) => ({ usedBytes: 1024, capacityBytes: 4096, ...one }))
      response.end(JSON.stringify({ version: '0.1.0', mountpaths }))
      return
    }
    seen.push(`${request.method} ${request.url} ${body}`)
    response.end(JSON.stringify({ objectCount: left }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function forebay(...args: string[]) {
  const out: string[] = []
  const err: string[] = []
  const output = (lines: string[]) => ({
    write: (text: string | Uint8Array): boolean => lines.push(String(text)) > 0,
    once: () => undefined,
  })
  // Listening on an IP address, a server's address is never a pipe name.
  const { port } = server.address() as AddressInfo
  const code = await runCli(args, {
    environment: { variables: { FOREBAY_ENDPOINT: `http://127.0.0.1:${port}` }, home: '/none' },
    stdout: output(out),
    stderr: output(err),
    signal: new AbortController().signal,
  })
  return { code, out: out.join(''), err: err.join('') }
}

const sent = (method: string, action: string, query = ''): string =>
  `${method} /v1/daemon/mountpaths${query} ${JSON.stringify({ action, value: '/mp' })}`

test('ls shows the mountpaths, what is on them, and why one is not in service', async () => {
  lists = [
    [
      { path: '/a', state: 'enabled', objectCount: 7 },
      { path: '/b', state: 'faulted', reason: 'reading its marker took more than 10000 ms' },
    ],
  ]
  const { code, out } = await forebay('mountpath', 'ls')
  expect(code).toBe(0)
  expect(out).toMatch(/^MOUNTPATH +STATE +OBJECTS +USED +CAPACITY +SHARE +ERRORS\n/)
  expect(out).toMatch(/^\/a +enabled +7 .*25/m)
  expect(out).toMatch(/^\/b +faulted /m)
  expect(out).toMatch(/^\/b: reading its marker took more than 10000 ms$/m)
  const json = await forebay('mountpath', 'ls', '--json')
  expect(
    json.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).path),
  ).toEqual(['/a', '/b'])
})

test.each(['attach', 'enable'])('%s says when the mountpath is in service', async (action) => {
  const { code, err } = await forebay('mountpath', action, '/mp')
  expect([code, err]).toEqual([0, '/mp is in service\n'])
  expect(seen).toEqual([sent(action === 'attach' ? 'PUT' : 'POST', `${action}-mp`)])
})

test('detach waits until the mountpath is empty, and tells what is left', async () => {
  lists = [[{ path: '/mp', state: 'draining', objectCount: 5 }], []]
  const { code, err } = await forebay('mountpath', 'detach', '/mp')
  expect([code, err]).toEqual([0, '5 objects to move or drop\n/mp is no mountpath any more\n'])
  expect(seen).toEqual([sent('DELETE', 'detach-mp')])
})

test('a mountpath that could not be emptied is a failure, with the reason', async () => {
  lists = [[{ path: '/mp', state: 'enabled', reason: 'it could not be emptied: no room' }]]
  const { code, err } = await forebay('mountpath', 'disable', '/mp')
  expect(code).toBe(1)
  expect(err).toContain('it could not be emptied: no room')
})

test('by force the objects that only the mountpath had are counted', async () => {
  left = 3
  const detached = await forebay('mountpath', 'detach', '--force', '/mp')
  expect(detached.err).toContain('3 objects that were only on /mp are lost')
  lists = [[{ path: '/mp', state: 'disabled' }]]
  const disabled = await forebay('mountpath', 'disable', '--force', '/mp')
  expect(disabled.err).toContain('3 objects that were only on /mp cannot be read until')
  expect(seen).toEqual([
    sent('DELETE', 'detach-mp', '?dntres=true'),
    sent('POST', 'disable-mp', '?dntres=true'),
  ])
})

test('who does not want to wait is not made to', async () => {
  lists = [[{ path: '/mp', state: 'draining', objectCount: 5 }]]
  const { code, err } = await forebay('mountpath', 'detach', '--no-wait', '/mp')
  expect([code, err]).toEqual([0, '/mp is leaving\n'])
})

test('a command without its path, or one that there is not, exits 2 and asks nobody', async () => {
  for (const args of [['attach'], ['detach'], ['polish', '/mp'], ['attach', '/mp', '--force']]) {
    const { code } = await forebay('mountpath', ...args)
    expect([args, code]).toEqual([args, 2])
  }
  expect(seen).toEqual([])
})
