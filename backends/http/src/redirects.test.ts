import type { Backend } from '@forebay/backend-port/backend'
import type { AddressPolicy } from '@forebay/backend-transport/address-guard'
import { systemClock } from '@forebay/base/clock'
import { answer } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { REDIRECTS_MAX } from './connection.ts'
import { createHttpBackend } from './http-backend.ts'

const { signal } = new AbortController()
const REFUSED = { code: 'backend-refused' }

let origin: ScriptedOrigin
let backend: Backend | undefined

async function open(script: OriginScript): Promise<void> {
  origin = await startOrigin(script)
}

/** A backend over a name that resolves to loopback, which the policy allows by its name. */
function connect(options: {
  readonly allow?: AddressPolicy
  readonly path?: string
  readonly resolve?: (host: string) => Promise<readonly string[]>
}): Backend {
  const {
    allow = ['allowed.example'],
    path = '/dir/',
    resolve = async () => ['127.0.0.1'],
  } = options
  const url = `http://allowed.example:${new URL(origin.url).port}${path}`
  backend = createHttpBackend({ url, allow, resolve, nodeId: 'node-1', clock: systemClock })
  return backend
}

afterEach(async () => {
  await backend?.close()
  backend = undefined
  await origin.close()
})

function redirect(location: string, status = 302): ReturnType<OriginScript> {
  return answer({ status, headers: { location } })
}

const FOUND = answer({ status: 200, headers: { etag: '"v1"' }, body: 'bytes' })

describe('a redirect', () => {
  test.each([301, 302, 303, 307, 308])(
    'by %i is followed, with the range and the pin',
    async (status) => {
      await open(({ target }) =>
        target === '/dir/k' ? redirect('/elsewhere/k?token=1', status) : FOUND,
      )
      const pin = { kind: 'etag', etag: 'v1' } as const
      const found = await connect({}).read({
        key: 'k',
        pin,
        range: { offset: 0, lengthBytes: 2 },
        signal,
      })
      expect(found.kind).toBe('found')
      if (found.kind === 'found') found.body.discard()
      expect(origin.requests[1]).toMatchObject({
        target: '/elsewhere/k?token=1',
        headers: { range: 'bytes=0-1', 'if-match': '"v1"' },
      })
    },
  )

  test('is followed as often as is allowed, and not once more', async () => {
    let hops = REDIRECTS_MAX
    await open(({ target }) => {
      const hop = Number(/hop=(\d+)/.exec(target)?.[1] ?? 0)
      return hop < hops ? redirect(`/dir/k?hop=${hop + 1}`) : FOUND
    })
    expect((await connect({}).head({ key: 'k', signal })).kind).toBe('found')
    hops = 30
    await expect(connect({}).head({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
    expect(origin.requests.length).toBe(2 * (REDIRECTS_MAX + 1))
  })

  test.each([
    'http://127.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:127.0.0.1]/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://10.0.0.1/',
    '//169.254.169.254/',
    '\\\\169.254.169.254\\',
    'file:///etc/passwd',
    'ftp://allowed.example/',
    'gopher://allowed.example/',
    'data:text/plain,x',
    'javascript:1',
    'http://user@allowed.example/',
    'http://user:pass@allowed.example/',
    'http://',
    'http://[',
  ])('to %s is refused', async (location) => {
    await open(() => redirect(location))
    const tried = connect({})
    await expect(tried.read({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
    await expect(tried.head({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
    await expect(tried.list({ prefix: '', pageMax: 1, signal })).rejects.toMatchObject(REFUSED)
    await expect(tried.headBucket({ signal })).rejects.toMatchObject(REFUSED)
    expect(origin.requests.length).toBe(4)
  })

  test('to a name is followed only to an address that is allowed', async () => {
    await open(({ headers }) =>
      headers['host']?.startsWith('allowed') === true
        ? redirect(`http://inner.example:${new URL(origin.url).port}/dir/k`)
        : FOUND,
    )
    await expect(connect({}).read({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
    expect(origin.requests.length).toBe(1)
    const allow = ['allowed.example', 'inner.example']
    expect((await connect({ allow }).head({ key: 'k', signal })).kind).toBe('found')
  })

  test('without a Location is no answer', async () => {
    await open(() => answer({ status: 302 }))
    await expect(connect({}).read({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
  })

  test('to the same path with a slash shows a directory: no object', async () => {
    await open(({ target }) =>
      target === '/dir/sub' ? redirect('http://other.example/dir/sub/', 301) : FOUND,
    )
    const directory = connect({})
    expect(await directory.read({ key: 'sub', signal })).toEqual({ kind: 'absent' })
    expect(await directory.head({ key: 'sub', signal })).toEqual({ kind: 'absent' })
    const named = connect({ path: '/dir/sub' }).headBucket({ signal })
    await expect(named).rejects.toMatchObject({ code: 'argument-invalid' })
  })

  test('has no secret of its address in a message', async () => {
    await open(({ target }) => redirect(`${target}&more=secret`))
    const failed = connect({ path: '/file?signature=secret' }).read({ key: 'file', signal })
    const error = await failed.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject(REFUSED)
    expect(String(error)).not.toContain('secret')
  })
})

describe('a name that is rebound', () => {
  test('is asked at its checked address, and refused when the next connection finds another', async () => {
    await open(() => answer({ status: 200, headers: { connection: 'close' }, body: 'x' }))
    const turns = [['127.0.0.1'], ['169.254.169.254']]
    let asked = 0
    const resolve = async (): Promise<readonly string[]> => turns[asked++] ?? []
    const rebinding = connect({ resolve })
    const first = await rebinding.read({ key: 'k', signal })
    if (first.kind === 'found') await first.body.pump(() => undefined)
    await expect(rebinding.read({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
    expect(asked).toBe(2)
    expect(origin.requests.length).toBe(1)
  })
})

test.each(['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '0', '017700000001', '[64:ff9b::7f00:1]'])(
  'a source at %s is refused where only public addresses are allowed',
  async (host) => {
    await open(() => FOUND)
    const url = `http://${host}:${new URL(origin.url).port}/dir/`
    const options = { url, allow: 'public', nodeId: 'node-1', clock: systemClock } as const
    backend = createHttpBackend(options)
    await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject(REFUSED)
    await expect(backend.headBucket({ signal })).rejects.toMatchObject(REFUSED)
    expect(origin.requests).toEqual([])
  },
)
