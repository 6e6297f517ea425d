import type { Backend, ListOptions } from '@forebay/backend-port/backend'
import { type Clock, systemClock } from '@forebay/base/clock'
import { compareKeys } from '@forebay/model/key'
import { answer } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type OriginStep,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { createHttpBackend } from './http-backend.ts'
import { INDEX_AGE_MAX_MS, INDEX_BYTES_MAX } from './index-pages.ts'
import { DEPTH_MAX, HEADS_AT_ONCE, INDEX_REQUESTS_MAX, LIST_TIME_MAX_MS } from './list-objects.ts'

const DATE = 'Sat, 21 Nov 2026 04:00:00 GMT'
const HTML = { 'content-type': 'text/html' }
const JSON_TYPE = { 'content-type': 'application/json' }
const { signal } = new AbortController()

let origin: ScriptedOrigin
let backend: Backend
let nowMs = 0

/** Time that stands still until a test moves it. */
const clock: Clock = { ...systemClock, monotonic: () => nowMs }

/** Time goes by before the server answers. */
function passes(ms: number): OriginStep {
  return {
    kind: 'act',
    act: () => {
      nowMs += ms
    },
  }
}

async function open(script: OriginScript, path = '/'): Promise<void> {
  nowMs = 0
  origin = await startOrigin(script)
  const url = origin.url + path
  backend = createHttpBackend({ url, allow: 'any', nodeId: 'node-1', clock })
}

afterEach(async () => {
  await backend.close()
  await origin.close()
})

/** A server that has these keys and shows its directories in JSON. */
function jsonServer(keys: readonly string[]): OriginScript {
  return ({ target }) => {
    const directory = decodeURIComponent(target.slice(1))
    const names = new Map<string, object>()
    for (const key of keys) {
      if (!key.startsWith(directory)) continue
      const [name = '', ...rest] = key.slice(directory.length).split('/')
      const file = { name, type: 'file', mtime: DATE, size: key.length }
      names.set(name, rest.length > 0 ? { name, type: 'directory', mtime: DATE } : file)
    }
    if (names.size === 0) return answer({ status: 404 })
    return answer({ status: 200, headers: JSON_TYPE, body: JSON.stringify([...names.values()]) })
  }
}

/** The whole listing, page by page; `pages` counts the requests of each. */
async function listAll(options: Partial<ListOptions> = {}): Promise<{
  readonly names: readonly string[]
  readonly pages: readonly number[]
}> {
  const names: string[] = []
  const pages: number[] = []
  let continuationToken: string | undefined
  do {
    const before = origin.requests.length
    const asked = { prefix: '', pageMax: 1000, ...options, continuationToken, signal }
    const page = await backend.list(asked)
    names.push(...page.objects.map(({ key }) => key), ...page.commonPrefixes)
    pages.push(origin.requests.length - before)
    continuationToken = page.nextToken
    if (pages.length > 500) throw new Error('the listing does not end')
  } while (continuationToken !== undefined)
  return { names, pages }
}

const TREE = ['a!b', 'a-/x', 'a/1', 'a/b/c/d', 'a/b/e', 'a0', 'b', 'c/d/e/f', 'ｚ', '\u{1f600}/x']

describe('the walk through a tree', () => {
  test('names keys in the order of their bytes, whatever the order of the index', async () => {
    const keys = TREE.toSorted(compareKeys)
    await open(jsonServer(TREE.toReversed()))
    for (const pageMax of [1, 2, 3, 1000]) {
      expect((await listAll({ pageMax })).names).toEqual(keys)
    }
  })

  test.each([
    { prefix: 'a', names: ['a!b', 'a-/x', 'a/1', 'a/b/c/d', 'a/b/e', 'a0'] },
    { prefix: 'a/', names: ['a/1', 'a/b/c/d', 'a/b/e'] },
    { prefix: 'a/b', names: ['a/b/c/d', 'a/b/e'] },
    { prefix: 'a/b/e', names: ['a/b/e'] },
    { prefix: 'none/', names: [] },
    { prefix: 'a//', names: [] },
    { prefix: '../', names: [] },
    { prefix: './', names: [] },
    {
      prefix: '',
      startAfter: 'a/b/c',
      names: ['a/b/c/d', 'a/b/e', 'a0', 'b', 'c/d/e/f', 'ｚ', '\u{1f600}/x'],
    },
    { prefix: '', startAfter: 'b', delimiter: '/', names: ['ｚ', 'c/', '\u{1f600}/'] },
    {
      prefix: '',
      startAfter: 'a/b/c/d',
      delimiter: '/',
      names: ['a0', 'b', 'ｚ', 'a/', 'c/', '\u{1f600}/'],
    },
    {
      prefix: '',
      startAfter: 'a/b/e',
      delimiter: '/',
      names: ['a0', 'b', 'ｚ', 'c/', '\u{1f600}/'],
    },
    {
      prefix: '',
      startAfter: 'a/',
      delimiter: '/',
      names: ['a0', 'b', 'ｚ', 'a/', 'c/', '\u{1f600}/'],
    },
    {
      prefix: '',
      delimiter: '/b/',
      names: ['a!b', 'a-/x', 'a/1', 'a0', 'b', 'c/d/e/f', 'ｚ', '\u{1f600}/x', 'a/b/'],
    },
    { prefix: 'a', delimiter: 'b', names: ['a-/x', 'a/1', 'a0', 'a!b', 'a/b'] },
  ])('$prefix, after $startAfter, by $delimiter', async ({ names, ...options }) => {
    await open(jsonServer(TREE))
    expect((await listAll(options)).names).toEqual(names)
    const paged = await listAll({ ...options, pageMax: 1 })
    expect(paged.names.toSorted()).toEqual(names.toSorted())
    for (const { target } of origin.requests) expect(target).not.toMatch(/\/\/|\.\//)
  })

  test('asks only for directories that the page needs', async () => {
    await open(jsonServer(TREE))
    await listAll({ delimiter: '/' })
    expect(origin.requests.map(({ target }) => target)).toEqual(['/'])
    await listAll({ prefix: 'a/b/' })
    expect(origin.requests.slice(1).map(({ target }) => target)).toEqual(['/a/b/', '/a/b/c/'])
  })

  test('takes size, date and tag from an index in JSON, without a request for each object', async () => {
    await open(jsonServer(['k']))
    const { objects } = await backend.list({ prefix: '', pageMax: 10, signal })
    const seconds = Date.UTC(2026, 10, 21, 4) / 1000
    expect(objects).toEqual([
      { key: 'k', sizeBytes: 1, lastModifiedMs: seconds * 1000, etag: `${seconds.toString(16)}-1` },
    ])
    expect(origin.requests.length).toBe(1)
  })

  test('leaves out what is gone when its HEAD is asked', async () => {
    const html = '<title>Index of /</title><a href="gone">gone</a><a href="here">here</a>'
    await open(({ target }) => {
      if (target === '/') return answer({ status: 200, headers: HTML, body: html })
      return answer({ status: target === '/gone' ? 404 : 200, headers: { 'content-length': 0 } })
    })
    expect((await listAll()).names).toEqual(['here'])
  })
})

describe('the work for one page', () => {
  const many = Array.from({ length: 150 }, (_, at) => `d${String(at).padStart(3, '0')}/k`)

  test('is bounded in requests: pages are short and join to the whole', async () => {
    await open(jsonServer(many))
    const { names, pages } = await listAll()
    expect(names).toEqual(many)
    expect(pages.length).toBeGreaterThan(2)
    expect(Math.max(...pages)).toBeLessThanOrEqual(INDEX_REQUESTS_MAX + 1)
    // The index of the root is read once: later pages use what the first has read.
    expect(origin.requests.filter(({ target }) => target === '/').length).toBe(1)
  })

  test('is bounded in time, and gets on all the same', async () => {
    const tree = jsonServer(many)
    await open((request) => [passes(LIST_TIME_MAX_MS / 2), ...tree(request)])
    const { names, pages } = await listAll()
    expect(names).toEqual(many)
    expect(Math.max(...pages)).toBeLessThanOrEqual(4)
  })

  test('is bounded in time for the HEADs too', async () => {
    const count = HEADS_AT_ONCE * 3
    const keys = Array.from({ length: count }, (_, at) => `k${String(at).padStart(3, '0')}`)
    const links = keys.map((key) => `<a href="${key}">${key}</a>`).join('\n')
    await open(({ target }) => {
      if (target === '/') {
        return answer({ status: 200, headers: HTML, body: `<title>Index of /</title>${links}` })
      }
      const late = passes(LIST_TIME_MAX_MS)
      return [late, ...answer({ status: 200, headers: { 'content-length': 0 } })]
    })
    const { names, pages } = await listAll()
    expect(names).toEqual(keys)
    expect(pages.length).toBe(3)
  })

  test('reads an index again that was read too long ago, and for every new listing', async () => {
    await open(jsonServer(['a', 'b', 'c']))
    const first = await backend.list({ prefix: '', pageMax: 1, signal })
    const more = { prefix: '', pageMax: 1, continuationToken: first.nextToken, signal }
    nowMs = INDEX_AGE_MAX_MS
    await backend.list(more)
    expect(origin.requests.length).toBe(1)
    nowMs += 1
    await backend.list(more)
    expect(origin.requests.length).toBe(2)
    await backend.list({ prefix: '', pageMax: 1, signal })
    expect(origin.requests.length).toBe(3)
  })

  test('ends with the caller', async () => {
    await open(() => [{ kind: 'hang' }])
    const caller = new AbortController()
    const list = backend.list({ prefix: '', pageMax: 1, signal: caller.signal })
    await expect.poll(() => origin.requests.length).toBe(1)
    caller.abort(new Error('gone'))
    await expect(list).rejects.toThrow('gone')
    await expect.poll(() => origin.connectionCount).toBe(0)
  })
})

describe('a list is complete or refused:', () => {
  const page = (headers: Readonly<Record<string, string>>, body: string) =>
    answer({ status: 200, headers, body })

  test.each([
    ['no index page', 'not-implemented', page(HTML, '<title>Welcome</title><a href="x">x</a>')],
    ['a directory that may not be listed', 'backend-denied', answer({ status: 403 })],
    ['a directory that is in trouble', 'backend-unreachable', answer({ status: 500 })],
    [
      'an encoded index page',
      'backend-refused',
      page({ ...HTML, 'content-encoding': 'gzip' }, 'x'),
    ],
    [
      'an index page that is too long',
      'backend-refused',
      page(HTML, 'x'.repeat(INDEX_BYTES_MAX + 1)),
    ],
    [
      'an index page without an end',
      'not-implemented',
      [
        {
          kind: 'send',
          bytes: 'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<title>Index of /',
        },
        { kind: 'close' },
      ],
    ],
  ] as const)('%s', async (_, code, said) => {
    const root = '[{"name": "a", "type": "file"}, {"name": "sub", "type": "directory"}]'
    await open(({ target }) => (target === '/sub/' ? said : page(JSON_TYPE, root)))
    const list = backend.list({ prefix: '', pageMax: 10, signal })
    await expect(list).rejects.toMatchObject({ code })
    // What needs no names of it is listed.
    const above = await backend.list({ prefix: '', delimiter: '/', pageMax: 10, signal })
    expect(above.commonPrefixes).toEqual(['sub/'])
  })

  test('a link in a circle, which has no end', async () => {
    await open(() => page(JSON_TYPE, '[{"name": "circle", "type": "directory"}]'))
    await expect(listAll()).rejects.toMatchObject({ code: 'backend-refused' })
    expect(origin.requests.length).toBeLessThanOrEqual(DEPTH_MAX + 1)
  })

  test('an absent directory, which is no empty one', async () => {
    await open(jsonServer([]))
    const list = backend.list({ prefix: '', pageMax: 1, signal })
    await expect(list).rejects.toMatchObject({ code: 'bucket-not-found' })
  })

  test('a token of another kind', async () => {
    await open(jsonServer(TREE))
    const list = backend.list({ prefix: '', pageMax: 1, continuationToken: 'x', signal })
    await expect(list).rejects.toMatchObject({ code: 'argument-invalid' })
  })
})

describe('a source that is one object', () => {
  const file: OriginScript = ({ target }) =>
    target.startsWith('/dir/file')
      ? answer({ status: 200, headers: { etag: '"v1"', 'last-modified': DATE }, body: 'bytes' })
      : answer({ status: 404 })

  test('lists that object alone, by the rules of lists', async () => {
    await open(file, '/dir/file.csv?signature=1')
    expect((await listAll()).names).toEqual(['file.csv'])
    expect((await listAll({ prefix: 'file' })).names).toEqual(['file.csv'])
    expect((await listAll({ delimiter: 'le' })).names).toEqual(['file'])
    expect((await listAll({ prefix: 'x' })).names).toEqual([])
    expect((await listAll({ startAfter: 'file.csv' })).names).toEqual([])
    const { objects } = await backend.list({ prefix: '', pageMax: 1, signal })
    expect(objects).toEqual([
      { key: 'file.csv', sizeBytes: 5, etag: 'v1', lastModifiedMs: Date.parse(DATE) },
    ])
  })

  test('is looked up by its HEAD', async () => {
    await open(file, '/dir/file.csv')
    const name = `${origin.url}/dir/file.csv`
    expect(await backend.headBucket({ signal })).toMatchObject({ name })
    expect(await backend.read({ key: 'other', signal })).toEqual({ kind: 'absent' })
  })
})

test.each(['..\\../', 'a\\..\\../', './'])(
  'the prefix %s would lead out of the directory, so nothing is asked',
  async (prefix) => {
    await open(() => answer({ status: 200, headers: JSON_TYPE, body: '[]' }))
    expect(await backend.list({ prefix, pageMax: 10, signal })).toMatchObject({ objects: [] })
    expect(origin.requests).toEqual([])
  },
)
