import type { Web } from '@forebay/backend-port/web'
import type { AddressPolicy } from '@forebay/backend-transport/address-guard'
import { systemClock } from '@forebay/base/clock'
import { answer, cutAnswer } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { openWeb } from './web.ts'

const { signal } = new AbortController()
const REFUSED = { code: 'backend-refused' }

const origins: ScriptedOrigin[] = []
let web: (Web & { close(): Promise<void> }) | undefined

async function serve(script: OriginScript): Promise<ScriptedOrigin> {
  const origin = await startOrigin(script)
  origins.push(origin)
  return origin
}

function open(allow: AddressPolicy = ['127.0.0.1']): Web {
  web = openWeb({ allow, nodeId: 'node-1', clock: systemClock })
  return web
}

afterEach(async () => {
  await web?.close()
  web = undefined
  for (const origin of origins.splice(0)) await origin.close()
})

describe('the URL of a download', () => {
  test.each([
    'file:///etc/passwd',
    'ftp://host/f',
    'gopher://host/',
    'data:text/plain,x',
    'host/f',
    'http://user:pass@host/f',
    'http://allowed#@evil/f',
    'http://allowed\\@evil/f',
    'http://host/a b',
    'http://host/\r\nx',
  ])('%j is no URL that is fetched', (text) => {
    expect(() => open('any').checkUrl(text)).toThrow(
      expect.objectContaining({ code: 'argument-invalid' }),
    )
  })

  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://127.0.0.1:80/f',
    'http://0/f',
    'http://0.0.0.0/f',
    'http://2130706433/f',
    'http://0x7f000001/f',
    'http://017700000001/f',
    'http://127.1/f',
    'http://[::1]/f',
    'http://[::ffff:127.0.0.1]/f',
    'http://[64:ff9b::7f00:1]/f',
    'http://10.1.2.3/f',
    'http://[fe80::1]/f',
  ])('%s is refused before anything is asked', (text) => {
    expect(() => open('public').checkUrl(text)).toThrow(expect.objectContaining(REFUSED))
  })

  test('a query stays, of a file and of what looks like a directory', () => {
    expect(open().checkUrl('http://host/a/?x=1').href).toBe('http://host/a/?x=1')
  })
})

describe('a file', () => {
  test('of untold length comes whole, however long', async () => {
    const chunk = 'x'.repeat(64 * 1024)
    const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
    const body = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(40)
    const origin = await serve(() => [{ kind: 'send', bytes: `${head}${body}0\r\n\r\n` }])
    const found = await open().read({ url: new URL(`${origin.url}/f`), signal })
    if (found.kind !== 'found') throw new Error(found.kind)
    expect(found.sizeBytes).toBeUndefined()
    let bytes = 0
    await found.body.pump((part) => {
      bytes += part.length
    })
    expect(bytes).toBe(40 * chunk.length)
  })

  test('whose end looks like a broken connection is refused', async () => {
    const origin = await serve(() => [
      { kind: 'send', bytes: 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nsome' },
      { kind: 'close' },
    ])
    await expect(open().read({ url: new URL(`${origin.url}/f`), signal })).rejects.toMatchObject(
      REFUSED,
    )
  })

  test('that breaks off is no whole file', async () => {
    const origin = await serve(() => cutAnswer({ status: 200, body: '0123456789' }, 4))
    const found = await open().read({ url: new URL(`${origin.url}/f`), signal })
    if (found.kind !== 'found') throw new Error(found.kind)
    await expect(found.body.pump(() => undefined)).rejects.toMatchObject({
      code: expect.stringMatching(/^backend-/),
    })
  })

  test('is asked for compressed by nobody, and its encoding is told', async () => {
    const origin = await serve(() =>
      answer({ status: 200, headers: { 'content-encoding': 'gzip' }, body: 'zipped' }),
    )
    const found = await open().read({ url: new URL(`${origin.url}/f`), signal })
    if (found.kind !== 'found') throw new Error(found.kind)
    found.body.discard()
    expect(found.attributes.headers.contentEncoding).toBe('gzip')
    expect(origin.requests[0]?.headers['accept-encoding']).toBe('identity')
  })
})

describe('headers of the user', () => {
  test('go to the origin that he named, at redirects within it too', async () => {
    const origin = await serve(({ target }) =>
      target === '/f'
        ? answer({ status: 302, headers: { location: '/g' } })
        : answer({ status: 200, body: 'bytes' }),
    )
    const headers = { authorization: 'Bearer secret' }
    const found = await open().read({ url: new URL(`${origin.url}/f`), headers, signal })
    expect(found.kind).toBe('found')
    expect(origin.requests.map((request) => request.headers['authorization'])).toEqual([
      'Bearer secret',
      'Bearer secret',
    ])
  })

  test('do not go to another origin', async () => {
    const other = await serve(() => answer({ status: 200, body: 'bytes' }))
    const first = await serve(() =>
      answer({ status: 302, headers: { location: `${other.url}/f` } }),
    )
    const headers = { authorization: 'Bearer secret' }
    const found = await open().read({ url: new URL(`${first.url}/f`), headers, signal })
    expect(found.kind).toBe('found')
    expect(first.requests[0]?.headers['authorization']).toBe('Bearer secret')
    expect(other.requests[0]?.headers['authorization']).toBeUndefined()
  })
})

describe('a document', () => {
  test('tells where its list goes on', async () => {
    const link = '</tree?cursor=abc>; rel="next", </tree>; rel="first"'
    const origin = await serve(() => answer({ status: 200, headers: { link }, body: '[]' }))
    const url = new URL(`${origin.url}/tree`)
    const { text, next } = await open().readText({ url, bytesMax: 100, signal })
    expect(text).toBe('[]')
    expect(next?.href).toBe(`${origin.url}/tree?cursor=abc`)
  })

  test('that goes on elsewhere is refused', async () => {
    const link = '<https://other.example/tree>; rel="next"'
    const origin = await serve(() => answer({ status: 200, headers: { link }, body: '[]' }))
    const url = new URL(`${origin.url}/tree`)
    await expect(open().readText({ url, bytesMax: 100, signal })).rejects.toMatchObject(REFUSED)
  })

  test('one byte longer than wanted is refused', async () => {
    const origin = await serve(() => answer({ status: 200, body: '12345' }))
    const url = new URL(`${origin.url}/tree`)
    await expect(open().readText({ url, bytesMax: 5, signal })).resolves.toMatchObject({
      text: '12345',
    })
    await expect(open().readText({ url, bytesMax: 4, signal })).rejects.toMatchObject(REFUSED)
  })

  test('that is not there is a failure', async () => {
    const origin = await serve(() => answer({ status: 404 }))
    const url = new URL(`${origin.url}/tree`)
    await expect(open().readText({ url, bytesMax: 5, signal })).rejects.toMatchObject({
      code: 'object-not-found',
    })
  })
})

describe('an index', () => {
  test('is read with the headers of the user', async () => {
    const origin = await serve(() =>
      answer({
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: '<title>Index of /d/</title><a href="../">up</a><a href="b">b</a><a href="a/">a</a>',
      }),
    )
    const url = new URL(`${origin.url}/d/`)
    const entries = await open().readIndex({ url, headers: { 'x-key': '1' }, signal })
    expect(entries).toEqual([
      { name: 'b', kind: 'file' },
      { name: 'a', kind: 'directory' },
    ])
    expect(origin.requests[0]?.headers['x-key']).toBe('1')
  })

  test('that was just read is read again unless an older one will do', async () => {
    const page = '<title>Index of /d/</title><a href="b">b</a>'
    const origin = await serve(() =>
      answer({ status: 200, headers: { 'content-type': 'text/html' }, body: page }),
    )
    const call = { url: new URL(`${origin.url}/d/`), signal }
    const reader = open()
    await reader.readIndex(call)
    expect(await reader.readIndex({ ...call, keptMs: 60_000 })).toHaveLength(1)
    expect(origin.requests).toHaveLength(1)
    await reader.readIndex(call)
    expect(origin.requests).toHaveLength(2)
    await reader.readIndex({ ...call, headers: { 'x-user': 'other' }, keptMs: 60_000 })
    expect(origin.requests).toHaveLength(3)
  })

  test('of a directory that is not there is undefined', async () => {
    const origin = await serve(() => answer({ status: 404 }))
    const url = new URL(`${origin.url}/d/`)
    expect(await open().readIndex({ url, signal })).toBeUndefined()
  })
})
