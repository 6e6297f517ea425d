import { createHash, createHmac } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { chunkedHeaders, encodeChunked } from '@forebay/s3/chunked/encoder'
import { presign, signRequest } from '@forebay/s3/sigv4/sign'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3Node } from './s3-node.ts'

const ROOT = { accessKeyId: 'AKROOT', secretAccessKey: 'secret-of-root-0001' }
const HOST = '127.0.0.1'

let node: S3Node

beforeAll(async () => {
  node = await S3Node.start('users')
  await node.table.create({ provider: 'ais', namespace: { uuid: '', name: '' }, name: 'bucket' })
})
afterAll(() => node.close())

const wire = (line: string, headers: Readonly<Record<string, string>>) =>
  `${[line, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`

const status = (text: string): string =>
  `${/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]} ${/<Code>(\w+)</.exec(text)?.[1] ?? ''}`.trim()

const sign = (
  method: string,
  target: string,
  more: Readonly<Record<string, string>> = {},
): { readonly headers: Readonly<Record<string, string>>; readonly date: Date } => {
  const { 'x-amz-content-sha256': payload = 'UNSIGNED-PAYLOAD', ...rest } = more
  const headers = { host: HOST, ...rest }
  const date = new Date()
  const signed = signRequest({
    method,
    target,
    headers,
    payload,
    credentials: ROOT,
    region: 'us-east-1',
    date,
  })
  return { headers: { ...headers, ...signed }, date }
}

const send = (line: string, headers: Readonly<Record<string, string>>, body = '') =>
  node.exchange(wire(`${line} HTTP/1.1`, headers) + body, { quietMs: 150 }).then(({ text }) => text)

/** What is stored under a key now: the body, or the code of the error. */
const stored = async (key: string): Promise<string> => {
  const text = await send(`GET /bucket/${key}`, sign('GET', `/bucket/${key}`).headers)
  return text.startsWith('HTTP/1.1 200') ? text.slice(text.indexOf('\r\n\r\n') + 4) : status(text)
}

interface ChunkedPut {
  readonly key: string
  readonly signed?: boolean
  readonly trailers?: Readonly<Record<string, string>>
  /** Changes the body on its way. */
  readonly change?: (body: string) => string
  readonly headers?: Readonly<Record<string, string>>
}

const CRC = (() => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32('hello world'))
  return bytes.toString('base64')
})()

async function putChunked(put: ChunkedPut): Promise<string> {
  const { key, signed = false, trailers, change = (body) => body } = put
  const target = `/bucket/${key}`
  const framing = chunkedHeaders(11, { signed, trailerNames: Object.keys(trailers ?? {}) })
  const { headers, date } = sign('PUT', target, { ...framing, ...put.headers })
  const seedSignature = /Signature=(\w+)/.exec(headers['authorization'] ?? '')?.[1] ?? ''
  const signer = { ...ROOT, region: 'us-east-1', date, seedSignature }
  const pieces = [Buffer.from('hello world')]
  const encoding = { signer: signed ? signer : undefined, trailers }
  const body = change(Buffer.concat([...encodeChunked(pieces, encoding)]).toString('latin1'))
  return status(
    await send(`PUT ${target}`, { ...headers, 'content-length': `${body.length}` }, body),
  )
}

const trailers = { 'x-amz-checksum-crc32': CRC }
const spoil = (pattern: RegExp) => (body: string) =>
  body.replace(pattern, (text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0'))

describe('aws-chunked bodies', () => {
  test.each([
    ['signed', { signed: true }],
    ['signed with a trailer', { signed: true, trailers }],
    ['unsigned with a trailer', { trailers }],
  ])('%s are stored as they were before', async (name, options) => {
    const key = name.replaceAll(' ', '-')
    expect(await putChunked({ key, ...options })).toBe('200')
    expect(await stored(key)).toBe('hello world')
  })

  test.each([
    [
      'B17 a second chunk signed otherwise',
      { signed: true, change: spoil(/\r\n0;chunk-signature=\w{64}/) },
      '403 SignatureDoesNotMatch',
    ],
    [
      'a second chunk changed',
      { signed: true, change: (body: string) => body.replace('world', 'World') },
      '403 SignatureDoesNotMatch',
    ],
    [
      'B19 no final chunk',
      {
        signed: true,
        change: (body: string) => body.replace(/0;chunk-signature=.*\r\n\r\n$/s, ''),
      },
      '400 IncompleteBody',
    ],
    [
      'B25 a wrong checksum behind it',
      { trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' } },
      '400 BadDigest',
    ],
    [
      'an announced checksum that does not come',
      { trailers, change: (body: string) => body.replace(/x-amz-checksum.*\r\n/, '') },
      /^400/,
    ],
    [
      'B29 an enormous chunk',
      { trailers, change: (body: string) => body.replace(/^b/, '7fffffffffffffff') },
      /^40[03]/,
    ],
    [
      'no declared length',
      { trailers, headers: { 'x-amz-decoded-content-length': '' } },
      '411 MissingContentLength',
    ],
    [
      'a declared length that is too small',
      { trailers, headers: { 'x-amz-decoded-content-length': '5' } },
      /^400/,
    ],
    [
      'a declared length that is too large',
      { trailers, headers: { 'x-amz-decoded-content-length': '12' } },
      '400 IncompleteBody',
    ],
  ] as const)('%s is refused and leaves no object', async (name, options, wanted) => {
    const key = name.replaceAll(' ', '-')
    expect(await putChunked({ key, ...options })).toMatch(wanted)
    expect(await stored(key)).toBe('404 NoSuchKey')
  })
})

describe('payload hashes', () => {
  const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
  const put = async (key: string, hash: string) => {
    const more = { 'x-amz-content-sha256': hash, 'content-length': '5' }
    const { headers } = sign('PUT', `/bucket/${key}`, more)
    return status(await send(`PUT /bucket/${key}`, headers, 'hello'))
  }

  test('a body with the hash that was signed is stored', async () => {
    expect(await put('hash', sha256)).toBe('200')
    expect(await stored('hash')).toBe('hello')
  })

  test('another body is not', async () => {
    expect(await put('other', sha256.replace('2', '3'))).toBe('400 XAmzContentSHA256Mismatch')
    expect(await put('other', 'garbage')).toMatch(/^400/)
    expect(await stored('other')).toBe('404 NoSuchKey')
  })

  test('of no body is judged before what the request names is looked up', async () => {
    const tag = async (hash: string) => {
      const more = { 'x-amz-content-sha256': hash, 'content-length': '0' }
      const { headers } = sign('PUT', '/no-such-bucket/key?tagging', more)
      return send('PUT /no-such-bucket/key?tagging', headers)
    }
    const empty = createHash('sha256').digest('hex')
    const refusal = await tag(sha256)
    expect(status(refusal)).toBe('400 XAmzContentSHA256Mismatch')
    expect(refusal).toContain(
      `<ClientComputedContentSHA256>${sha256}</ClientComputedContentSHA256><S3ComputedContentSHA256>${empty}</S3ComputedContentSHA256>`,
    )
    expect(status(await tag(empty))).toBe('404 NoSuchBucket')
  })
})

describe('presigned URLs', () => {
  const url = (method: string, target: string, date = new Date()) =>
    presign({
      method,
      target,
      headers: { host: HOST },
      credentials: ROOT,
      region: 'us-east-1',
      date,
      expiresSeconds: 60,
    })
  const use = async (line: string, more = {}, body = '') =>
    status(await send(line, { host: HOST, ...more }, body))

  test('B31: they store and read, and hoisted headers count', async () => {
    const target = url('PUT', '/bucket/presigned?x-amz-meta-colour=blue')
    expect(await use(`PUT ${target}`, { 'content-length': '5' }, 'hello')).toBe('200')
    const text = await send(`GET ${url('GET', '/bucket/presigned')}`, { host: HOST })
    expect(text).toMatch(/hello$/)
    expect(text).toContain('x-amz-meta-colour: blue')
    const typed = url('GET', '/bucket/presigned?response-content-type=text%2Fcsv')
    expect(await send(`GET ${typed}`, { host: HOST })).toContain('Content-Type: text/csv')
    const split = url('GET', '/bucket/presigned?response-content-type=a%0D%0AX-Evil%3A1')
    expect(await use(`GET ${split}`)).toBe('400 InvalidArgument')
  })

  test('B35, B37, B39, B41: what is wrong with one is refused', async () => {
    const good = url('GET', '/bucket/presigned')
    expect(await use(`DELETE ${good}`)).toBe('403 SignatureDoesNotMatch')
    expect(await use(`GET ${good.replace('X-Amz-Expires=60', 'X-Amz-Expires=0')}`)).toMatch(
      /^40[03]/,
    )
    expect(await use(`GET ${good.replace('X-Amz-Expires=60', 'X-Amz-Expires=1e9x')}`)).toMatch(
      /^400/,
    )
    const ahead = new Date(Date.now() + 20 * 60_000)
    expect(await use(`GET ${url('GET', '/bucket/presigned', ahead)}`)).toMatch(/^403/)
    const past = new Date(Date.now() - 120_000)
    expect(await use(`GET ${url('GET', '/bucket/presigned', past)}`)).toBe('403 AccessDenied')
    const { headers } = sign('GET', '/bucket/presigned')
    expect(await use(`GET ${good}`, headers)).toMatch(/^40[03]/)
  })

  test('B23: a credential in the query with a garbage signature stores nothing', async () => {
    const target = url('PUT', '/bucket/b23').replace(
      /Signature=\w+$/,
      `Signature=${'0'.repeat(64)}`,
    )
    const more = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': '5',
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'content-length': '10',
    }
    expect(await use(`PUT ${target}`, more, '5\r\nhello\r\n')).toMatch(/^403/)
    expect(await stored('b23')).toBe('404 NoSuchKey')
  })

  test('no secret and no signature stands in an error or in what is logged', async () => {
    const target = url('GET', '/bucket/absent')
    const text = await send(`GET ${target}`, { host: HOST })
    const signature = /Signature=(\w+)/.exec(target)?.[1] ?? ''
    expect(text).toContain('<Resource>/bucket/absent</Resource>')
    for (const secret of [signature, ROOT.secretAccessKey]) {
      expect(text + JSON.stringify(node.answers)).not.toContain(secret)
    }
  })
})

test('B11: a header of Amazon that was not signed is refused', async () => {
  const { headers } = sign('PUT', '/bucket/b11', { 'content-length': '5' })
  const text = await send('PUT /bucket/b11', { ...headers, 'x-amz-meta-a': 'b' }, 'hello')
  expect(status(text)).toBe('403 AccessDenied')
})

describe('documents', () => {
  const post = async (body: string, more: Readonly<Record<string, string>> = {}) => {
    const length = { 'content-length': `${Buffer.byteLength(body)}`, ...more }
    const { headers } = sign('POST', '/bucket?delete', length)
    return status(await send('POST /bucket?delete', headers, body))
  }

  test.each([
    [
      'D01 billion laughs',
      '<!DOCTYPE x [<!ENTITY a "ha">]><Delete><Object><Key>&a;</Key></Object></Delete>',
    ],
    ['D03 100,000 nested tags', '<a>'.repeat(100_000)],
    ['D07 a character beyond Unicode', '<Delete><Object><Key>&#x110000;</Key></Object></Delete>'],
    ['an empty body', ''],
    ['JSON', '{}'],
  ])('%s is malformed', async (_, body) => {
    expect(await post(body)).toBe('400 MalformedXML')
  })

  test('D05: a document of 8 MB is refused before it is read', async () => {
    const length = { 'content-length': '8000000' }
    const { headers } = sign('POST', '/bucket?delete', length)
    expect(status(await send('POST /bucket?delete', headers, '<Delete>'))).toBe(
      '400 MaxMessageLengthExceeded',
    )
  })

  test('a document with another checksum or hash is refused', async () => {
    const body = '<Delete><Object><Key>hash</Key></Object></Delete>'
    expect(await post(body, { 'x-amz-checksum-crc32': 'AAAAAA==' })).toBe('400 BadDigest')
    expect(await post(body, { 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' })).toBe('400 BadDigest')
    expect(await post(body, { 'x-amz-content-sha256': '0'.repeat(64) })).toMatch(/^400/)
    expect(await stored('hash')).toBe('hello')
  })
})

test('nothing unexpected happened', () => {
  expect(node.reports).toEqual([])
})

describe('signature version 2', () => {
  const v2 = (text: string) =>
    encodeURIComponent(createHmac('sha1', ROOT.secretAccessKey).update(text).digest('base64'))
  const expires = Math.floor(Date.now() / 1000) + 60
  const url = (method: string, resource: string) =>
    `${resource}?AWSAccessKeyId=AKROOT&Signature=${v2(`${method}\n\n\n${expires}\n${resource}`)}&Expires=${expires}`

  test('a presigned URL puts and gets an object', async () => {
    const put = url('PUT', '/bucket/v2')
    expect(status(await send(`PUT ${put}`, { host: HOST, 'content-length': '2' }, 'v2'))).toBe(
      '200',
    )
    const text = await send(`GET ${url('GET', '/bucket/v2')}`, { host: HOST })
    expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*v2$/)
  })

  test('the bucket of the Host header is signed', async () => {
    const target = url('GET', '/bucket/v2').replace('/bucket', '')
    expect(status(await send(`GET ${target}`, { host: 'bucket.s3.test' }))).toBe('200')
    expect(status(await send(`GET ${target}`, { host: 'other.s3.test' }))).toBe(
      '403 SignatureDoesNotMatch',
    )
  })

  test('it opens the S3 door only', async () => {
    const text = await send(`GET ${url('GET', '/v1/cluster')}`, { host: HOST })
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
  })
})
