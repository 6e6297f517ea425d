import { createHash } from 'node:crypto'
import { Failure } from '@forebay/base/failure'
import { checkArgs } from '@forebay/jobs/check-schema'
import type { JsonObject } from '@forebay/jobs/job'
import { DOWNLOAD } from '@forebay/jobs/kinds/download'
import type { BucketRecord } from '@forebay/model/bucket'
import type { JobContext } from '@forebay/target/jobs/kind-work'
import { DOWNLOAD_WORK } from '@forebay/target/jobs/kinds/download'
import type { JobRig } from '@forebay/target/jobs/testing/job-rig'
import { answer, cutAnswer, inTurn } from '@forebay/testkit/origin/answers'
import type { OriginScript, ScriptedOrigin } from '@forebay/testkit/origin/scripted-origin'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { applyOnce, listAll, openWorld, runOnce } from './download-job.ts'

let rig: JobRig
let bucket: BucketRecord
let context: JobContext
let origin: ScriptedOrigin
let script: OriginScript
let close: () => Promise<void>

beforeEach(async () => {
  const world = await openWorld((request) => script(request))
  ;({ rig, bucket, context, origin, close } = world)
})

afterEach(() => close())

function job(args: JsonObject, id = 'job-1') {
  return { ...rig.job('download', bucket, checkArgs(DOWNLOAD, args)), id }
}

const OLD = 'Wed, 01 Jan 2025 00:00:00 GMT'
const NOW = 'Thu, 01 Jan 2026 00:00:00 GMT'

function serveFiles(files: Readonly<Record<string, string>>, etag = true): OriginScript {
  return ({ target, headers }) => {
    const body = files[target]
    if (body === undefined) return answer({ status: 404 })
    const tag = `"${createHash('md5').update(body).digest('hex')}"`
    const validators = { date: NOW, 'last-modified': OLD, ...(etag ? { etag: tag } : {}) }
    if (etag && headers['if-none-match'] === tag)
      return answer({ status: 304, headers: validators })
    if (!etag && headers['if-modified-since'] !== undefined) {
      return answer({ status: 304, headers: validators })
    }
    return answer({ status: 200, headers: validators, body })
  }
}

describe('a link', () => {
  test('becomes the object of its last name, or of the name that is given', async () => {
    script = serveFiles({ '/d/a%20b': 'one', '/f?sig=1': 'two' })
    expect(await runOnce(context, job({ link: `${origin.url}/d/a%20b` }))).toEqual({
      'a b': 'done',
    })
    const named = { link: `${origin.url}/f?sig=1`, object: 'x/y', prepend: 'in/' }
    expect(await runOnce(context, job(named))).toEqual({ 'in/x/y': 'done' })
    expect(await rig.contents(bucket)).toEqual({ 'a b': 'one', 'in/x/y': 'two' })
  })

  test('that is done twice by one job is written once', async () => {
    script = serveFiles({ '/a': 'one' })
    const order = job({ link: `${origin.url}/a` })
    expect(await runOnce(context, order)).toEqual({ a: 'done' })
    expect(await runOnce(context, order)).toEqual({ a: 'done' })
    expect(origin.requests).toHaveLength(1)
  })

  test.each([true, false])('whose file is stored already is skipped (tag: %j)', async (tag) => {
    script = serveFiles({ '/a': 'one' }, tag)
    expect(await runOnce(context, job({ link: `${origin.url}/a` }))).toEqual({ a: 'done' })
    rig.nowMs += 1000
    const again = job({ link: `${origin.url}/a` }, 'job-2')
    expect(await runOnce(context, again)).toEqual({ a: 'equal' })
  })

  test('whose file is another one now replaces what is stored', async () => {
    script = serveFiles({ '/a': 'one' })
    await runOnce(context, job({ link: `${origin.url}/a` }))
    rig.nowMs += 1000
    script = serveFiles({ '/a': 'two' })
    expect(await runOnce(context, job({ link: `${origin.url}/a` }, 'job-2'))).toEqual({ a: 'done' })
    expect(await rig.contents(bucket)).toEqual({ a: 'two' })
  })

  test('does not replace what somebody wrote after the order', async () => {
    script = serveFiles({ '/a': 'one' })
    const order = job({ link: `${origin.url}/a` })
    rig.nowMs += 1
    await rig.put(bucket, 'a', 'theirs')
    expect(await runOnce(context, order)).toEqual({ a: 'changed' })
    expect(await rig.contents(bucket)).toEqual({ a: 'theirs' })
  })

  test('does not replace it in a store either, whose times are whole seconds', async () => {
    script = serveFiles({ '/a': 'one' })
    bucket = await rig.stored('stored')
    await rig.put(bucket, 'old', 'before')
    rig.nowMs += 5000
    const links = { a: `${origin.url}/a`, old: `${origin.url}/a` }
    const order = job({ links })
    rig.nowMs += 1
    await rig.put(bucket, 'a', 'theirs')
    expect(await runOnce(context, order)).toEqual({ a: 'changed', old: 'done' })
    expect(await rig.contents(bucket)).toEqual({ a: 'theirs', old: 'one' })
  })

  test('does not replace what somebody writes while it is fetched', async () => {
    await rig.put(bucket, 'a', 'before')
    rig.nowMs += 1000
    const order = job({ link: `${origin.url}/a` })
    script = () => [
      {
        kind: 'act',
        act: async () => {
          rig.nowMs += 1
          await rig.put(bucket, 'a', 'theirs')
        },
      },
      ...answer({ status: 200, body: 'one' }),
    ]
    expect(await runOnce(context, order)).toEqual({ a: 'changed' })
    expect(await rig.contents(bucket)).toEqual({ a: 'theirs' })
  })

  test('whose lease is lost while its bytes come is not stored', async () => {
    let lost = false
    const act = (): void => {
      lost = true
    }
    script = () => [
      { kind: 'send', bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none' },
      { kind: 'wait', ms: 100 },
      { kind: 'act', act },
      { kind: 'send', bytes: 'two' },
    ]
    const order = job({ link: `${origin.url}/a` })
    const [item = { key: '' }] = await listAll(context, order)
    const check = (): void => {
      if (lost) throw new Failure('job-lease-lost', 'somebody else does it')
    }
    const lease = { signal: new AbortController().signal, check }
    await expect(DOWNLOAD_WORK.apply(context, { job: order, item, lease })).rejects.toMatchObject({
      code: 'job-lease-lost',
    })
    expect(await rig.contents(bucket)).toEqual({})
  })

  test('whose bytes come encoded is stored as it comes, and says so', async () => {
    script = () =>
      answer({
        status: 200,
        headers: { 'content-encoding': 'gzip', 'content-type': 'text/plain' },
        body: 'zipped',
      })
    await runOnce(context, job({ link: `${origin.url}/a` }))
    const { signal } = new AbortController()
    const head = await context.target.head({ bucket, key: 'a', conditions: {}, signal })
    expect(head).toMatchObject({
      attributes: {
        sizeBytes: 6,
        headers: { contentEncoding: 'gzip', contentType: 'text/plain' },
        metadata: { 'forebay-job': 'job-1', 'forebay-source': `${origin.url}/a` },
      },
    })
  })
})

describe('a file that cannot be had', () => {
  test.each<readonly [string, OriginScript, string]>([
    ['is not there', () => answer({ status: 404 }), 'object-not-found'],
    ['is gone', () => answer({ status: 410 }), 'object-not-found'],
    ['is forbidden', () => answer({ status: 403 }), 'backend-denied'],
    ['fails', () => answer({ status: 500 }), 'backend-unreachable'],
    ['is not known how to give', () => answer({ status: 501 }), 'backend-refused'],
    ['breaks off', () => cutAnswer({ status: 200, body: '0123456789' }, 4), 'backend-unreachable'],
    [
      'is shorter than announced',
      () => [
        { kind: 'send', bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome' },
        { kind: 'close' },
      ],
      'backend-unreachable',
    ],
    [
      'is longer than allowed',
      () => answer({ status: 200, body: 'x'.repeat(1001) }),
      'entity-too-large',
    ],
    [
      'never ends',
      () => [
        { kind: 'send', bytes: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n' },
        ...Array.from({ length: 50 }, () => ({
          kind: 'send' as const,
          bytes: `64\r\n${'x'.repeat(100)}\r\n`,
        })),
        { kind: 'hang' },
      ],
      'entity-too-large',
    ],
    [
      'is elsewhere, at a private address',
      () => answer({ status: 302, headers: { location: 'http://10.0.0.1/a' } }),
      'backend-refused',
    ],
    [
      'is elsewhere, where credentials are given out',
      () => answer({ status: 302, headers: { location: 'http://169.254.169.254/latest/' } }),
      'backend-refused',
    ],
    [
      'is on a disk',
      () => answer({ status: 302, headers: { location: 'file:///etc/passwd' } }),
      'backend-refused',
    ],
    [
      'is elsewhere for ever',
      ({ target }) => answer({ status: 302, headers: { location: `${target}x` } }),
      'backend-refused',
    ],
  ])('because it %s leaves nothing behind', async (_, answers, code) => {
    script = answers
    const order = job({ link: `${origin.url}/a`, objectBytesMax: 1000 })
    expect(await runOnce(context, order)).toEqual({ a: code })
    expect(await rig.contents(bucket)).toEqual({})
  })

  test('because it comes at a byte a second is given up', async () => {
    script = () => [
      { kind: 'send', bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n' },
      ...Array.from({ length: 20 }, () => [
        { kind: 'send' as const, bytes: 'x' },
        { kind: 'wait' as const, ms: 200 },
      ]).flat(),
      { kind: 'hang' },
    ]
    const order = job({ link: `${origin.url}/a`, stallSeconds: 1 })
    expect(await runOnce(context, order)).toEqual({ a: 'backend-timeout' })
    expect(await rig.contents(bucket)).toEqual({})
  })

  test('of the longest allowed length comes', async () => {
    script = () => answer({ status: 200, body: 'x'.repeat(1000) })
    const order = job({ link: `${origin.url}/a`, objectBytesMax: 1000 })
    expect(await runOnce(context, order)).toEqual({ a: 'done' })
  })

  test('at a private address is refused without a request', async () => {
    expect(await runOnce(context, job({ link: 'http://10.1.2.3/a' }))).toEqual({
      a: 'backend-refused',
    })
  })
})

describe('a file whose connection breaks', () => {
  const headers = { etag: '"v1"', 'accept-ranges': 'bytes' }

  test('goes on where it broke off, at the same version', async () => {
    script = inTurn(
      () => cutAnswer({ status: 200, headers, body: '0123456789' }, 4),
      ({ headers: { range } }) => {
        const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1])
        const contentRange = `bytes ${from}-9/10`
        const part = { ...headers, 'content-range': contentRange }
        return answer({ status: 206, headers: part, body: '0123456789'.slice(from) })
      },
    )
    expect(await runOnce(context, job({ link: `${origin.url}/a` }))).toEqual({ a: 'done' })
    expect(await rig.contents(bucket)).toEqual({ a: '0123456789' })
    expect(origin.requests[1]?.headers['if-match']).toBe('"v1"')
  })

  test('because the rate of the job held it back goes on as often as it takes', async () => {
    const body = '0123456789'
    script = ({ headers: { range } }) => {
      const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
      const contentRange = { 'content-range': `bytes ${from}-9/10` }
      return range === undefined
        ? cutAnswer({ status: 200, headers, body }, 1)
        : cutAnswer(
            { status: 206, headers: { ...headers, ...contentRange }, body: body.slice(from) },
            1,
          )
    }
    const order = job({ link: `${origin.url}/a` })
    const [item = { key: '' }] = await listAll(context, order)
    const lease = { signal: new AbortController().signal, check: () => undefined }
    let told = 0
    const moved = (bytes: number): Promise<void> => {
      told += bytes
      return Promise.resolve()
    }
    const done = await DOWNLOAD_WORK.apply(context, { job: order, item, lease, flow: { moved } })
    expect([done, told]).toEqual([{ kind: 'done', bytes: 10 }, 10])
    expect(await rig.contents(bucket)).toEqual({ a: body })
  })

  test('and is another one then is never mixed', async () => {
    const other = { ...headers, etag: '"v2"' }
    script = inTurn(
      () => cutAnswer({ status: 200, headers, body: '0123456789' }, 4),
      () =>
        answer({
          status: 206,
          headers: { ...other, 'content-range': 'bytes 4-9/10' },
          body: 'abcdef',
        }),
      () => answer({ status: 200, headers: other, body: 'ABCDabcdef' }),
    )
    const order = job({ link: `${origin.url}/a` })
    expect(await runOnce(context, order)).toEqual({ a: 'backend-changed' })
    expect(await rig.contents(bucket)).toEqual({})
    expect(await runOnce(context, order)).toEqual({ a: 'done' })
    expect(await rig.contents(bucket)).toEqual({ a: 'ABCDabcdef' })
  })
})

test('an item that says nothing of its file fails', async () => {
  const order = job({ link: `${origin.url}/a` })
  expect(await applyOnce(context, order, { key: 'a' })).toBe('argument-invalid')
})
