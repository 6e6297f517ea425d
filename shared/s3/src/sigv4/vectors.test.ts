/** Requests that others signed: the S3 API reference, @smithy/signature-v4 and aws4. */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { createRequire } from 'node:module'
import { SignatureV4 } from '@smithy/signature-v4'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EMPTY_SHA256, encodePath } from './canonical.ts'
import { presign, signRequest } from './sign.ts'
import {
  type ClientOptions,
  type ClientRequest,
  date,
  EXAMPLE,
  HELLO_SHA256,
  NOW,
  PUT,
  targetOf,
} from './test-client.ts'
import { payloadMode, type RawRequest, SignatureVerifier } from './verify.ts'

const verifierAt = (ms: number): SignatureVerifier =>
  new SignatureVerifier({
    secretOf: (key) => (key === EXAMPLE.accessKeyId ? EXAMPLE.secretAccessKey : undefined),
    region: 'us-east-1',
    clock: { now: () => ms },
  })

const MAY_2013 = Date.UTC(2013, 4, 24)
const HOST = 'examplebucket.s3.amazonaws.com'

/** The examples of "Signature Calculations for the Authorization Header", S3 API reference. */
const REFERENCE = [
  {
    name: 'GET Object',
    method: 'GET',
    target: '/test.txt',
    headers: { host: HOST, range: 'bytes=0-9' },
    payload: EMPTY_SHA256,
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT Object',
    method: 'PUT',
    target: '/test%24file.text',
    headers: {
      host: HOST,
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    },
    payload: createHash('sha256').update('Welcome to Amazon S3.').digest('hex'),
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET Bucket Lifecycle',
    method: 'GET',
    target: '/?lifecycle',
    headers: { host: HOST },
    payload: EMPTY_SHA256,
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET Bucket (List Objects)',
    method: 'GET',
    target: '/?max-keys=2&prefix=J',
    headers: { host: HOST },
    payload: EMPTY_SHA256,
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
] as const

test.each(REFERENCE)(
  'the example $name of the S3 API reference is signed and verified so',
  (example) => {
    const { method, target, headers, payload, signature } = example
    const added = signRequest({
      method,
      target,
      headers,
      payload,
      credentials: EXAMPLE,
      region: 'us-east-1',
      date: new Date(MAY_2013),
    })
    expect(added['authorization']?.slice(-64)).toBe(signature)
    const rawHeaders = [...Object.entries(headers), ...Object.entries(added)].flat()
    const verified = verifierAt(MAY_2013).verify({ method, target, rawHeaders })
    expect(verified).toMatchObject({ kind: 'signed', accessKey: EXAMPLE.accessKeyId })
  },
)

test('the presigned URL of the S3 API reference is made and verified so', () => {
  const target = presign({
    method: 'GET',
    target: '/test.txt',
    headers: { host: HOST },
    credentials: EXAMPLE,
    region: 'us-east-1',
    date: new Date(MAY_2013),
    expiresSeconds: 86_400,
  })
  expect(target).toMatch(/aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404$/)
  const request = { method: 'GET', target, rawHeaders: ['Host', HOST] }
  expect(verifierAt(MAY_2013).verify(request)).toMatchObject({ mechanism: 'query' })
})

const text = fc.string({ unit: 'grapheme' })
const ascii = fc.string({ unit: 'grapheme-ascii' }).map((value) => value.trim())
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)

/** Not taken for authentication; and @smithy/signature-v4 forgets a parameter `__proto__`. */
const plain = text.filter((key) => !/^(x-amz|aws|sig|__proto__$|$)/i.test(key))

const anyRequest = fc.record({
  method: fc.constantFrom('GET', 'PUT', 'HEAD', 'POST', 'DELETE'),
  path: text.map((key) => `/bucket/${encodePath(key)}`),
  query: fc.dictionary(fc.oneof(name, plain), text, {
    maxKeys: 4,
  }),
  metadata: fc.dictionary(name, ascii, { maxKeys: 4 }),
})

const at = fc.date({
  min: new Date('2001-01-01'),
  max: new Date('2099-01-01'),
  noInvalidDate: true,
})

function clientRequest(request: typeof anyRequest extends fc.Arbitrary<infer T> ? T : never) {
  const headers: Record<string, string> = { host: 'localhost:8080' }
  for (const [key, value] of Object.entries(request.metadata)) headers[`x-amz-meta-${key}`] = value
  return { method: request.method, path: request.path, query: request.query, headers }
}

test('every request that @smithy/signature-v4 signs is verified', async () => {
  await fc.assert(
    fc.asyncProperty(anyRequest, at, async (request, date) => {
      const signed = await smithySign(clientRequest(request), { date })
      expect(verifierAt(date.getTime()).verify(signed)).toMatchObject({ kind: 'signed' })
    }),
    { numRuns: 300 },
  )
})

test('every URL that @smithy/signature-v4 presigns is verified', async () => {
  await fc.assert(
    fc.asyncProperty(anyRequest, at, async (request, date) => {
      const client = clientRequest(request)
      const headers = { ...client.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
      const signed = await smithyPresign({ ...client, headers }, { date })
      expect(verifierAt(date.getTime()).verify(signed)).toMatchObject({ mechanism: 'query' })
    }),
    { numRuns: 300 },
  )
})

test('our signer and @smithy/signature-v4 sign alike', async () => {
  await fc.assert(
    fc.asyncProperty(anyRequest, at, async (request, date) => {
      const client = clientRequest(request)
      const theirs = await smithySign(client, { date, sessionToken: 'token' })
      const ours = signRequest({
        method: request.method,
        target: targetOf(request),
        headers: client.headers,
        payload: EMPTY_SHA256,
        credentials: { ...EXAMPLE, sessionToken: 'token' },
        region: 'us-east-1',
        date,
      })
      const authorization = theirs.rawHeaders[theirs.rawHeaders.indexOf('authorization') + 1]
      expect(ours['authorization']).toBe(authorization)
      expect(theirs.rawHeaders).toEqual(expect.arrayContaining(Object.values(ours)))
    }),
    { numRuns: 300 },
  )
})

test('a presigned URL can state the hash of the body in its query', async () => {
  const presigned = await smithyPresign(PUT, { date: date() })
  expect(presigned.target).toContain(`x-amz-content-sha256=${HELLO_SHA256}`)
  const payload = { kind: 'hash', sha256Hex: HELLO_SHA256 }
  expect(verifierAt(NOW).verify(presigned)).toMatchObject({ kind: 'signed', payload })
  expect(payloadMode(presigned)).toEqual(payload)
})

test('a header value that is not ASCII is signed as its bytes', async () => {
  const headers = { ...PUT.headers, 'x-amz-meta-a': 'Zoë' }
  const signed = await smithySign({ ...PUT, headers }, { date: date() })
  const rawHeaders = signed.rawHeaders.map((value) => Buffer.from(value).toString('latin1'))
  expect(verifierAt(NOW).verify({ ...signed, rawHeaders })).toMatchObject({ kind: 'signed' })
  expect(() => verifierAt(NOW).verify(signed)).toThrow('signature')
})

const AWS4_TARGETS = [
  '/bucket/key',
  '/bucket/a%20b/%C3%A9/x%2By',
  '/bucket/?list-type=2&prefix=a%2Fb&delimiter=%2F&max-keys=10',
  '/bucket/key?uploads=',
  '/bucket/key?partNumber=1&uploadId=a~b-c_d.e',
]

test.each(AWS4_TARGETS)(
  'what aws4 signs for %s is verified, in the header and in the query',
  (target) => {
    const ms = Date.UTC(2026, 0, 31)
    const request = { method: 'GET', target }
    const headers = { Host: 'localhost:8080', 'X-Amz-Date': '20260131T000000Z' }
    const inHeader = aws4Sign(request, headers, 'header')
    expect(verifierAt(ms).verify(inHeader)).toMatchObject({ mechanism: 'header' })
    const date = 'X-Amz-Date=20260131T000000Z'
    const dated = { ...request, target: `${target}${target.includes('?') ? '&' : '?'}${date}` }
    const inQuery: RawRequest = aws4Sign(dated, { Host: 'localhost:8080' }, 'query')
    expect(verifierAt(ms).verify(inQuery)).toMatchObject({ mechanism: 'query' })
  },
)

test('a request dated by its Date header alone is verified', () => {
  const ms = Date.UTC(2026, 0, 31)
  const date = new Date(ms).toUTCString()
  const signed = aws4Sign(
    { method: 'GET', target: '/bucket/key' },
    { Host: 'localhost:8080', Date: date, 'X-Amz-Date': '20260131T000000Z' },
    'header',
  )
  expect(verifierAt(ms).verify(signed)).toMatchObject({ kind: 'signed' })
})

test('our signed and presigned requests are verified, with raw reserved characters too', () => {
  const date = new Date(Date.UTC(2026, 0, 31))
  const request = {
    method: 'PUT',
    target: '/bucket/year=2020/a:b@c+d?tagging&x=a b'.replace(' ', '+'),
    headers: { Host: 'localhost', 'content-type': 'text/plain; a=  b' },
    credentials: EXAMPLE,
    region: 'us-east-1',
    date,
  }
  const added = signRequest({ ...request, payload: 'UNSIGNED-PAYLOAD' })
  const headers = Object.entries(request.headers)
  const verifier = verifierAt(date.getTime())
  const signed = { ...request, rawHeaders: [...headers, ...Object.entries(added)].flat() }
  expect(verifier.verify(signed)).toMatchObject({ mechanism: 'header' })
  const target = presign({ ...request, expiresSeconds: 1 })
  const presigned = { ...request, target, rawHeaders: headers.flat() }
  expect(verifier.verify(presigned)).toMatchObject({ mechanism: 'query' })
})

/** SHA-256 and HMAC-SHA-256 in the shape that @smithy/signature-v4 takes. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    if (secret === undefined) this.#hash = createHash('sha256')
    else this.#hash = createHmac('sha256', bytesOf(secret))
  }

  update(data: Uint8Array): void {
    this.#hash.update(data)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    throw new Error('a hash is used once')
  }
}

function bytesOf(secret: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof secret === 'string') return Buffer.from(secret)
  if (secret instanceof ArrayBuffer) return Buffer.from(secret)
  return Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength)
}

/** The request with an Authorization header, as the AWS SDK for JavaScript would send it. */
async function smithySign(request: ClientRequest, options: ClientOptions): Promise<RawRequest> {
  const signed = await smithy(options).sign(smithyRequest(request), { signingDate: options.date })
  return wire(request.method, request.path, signed)
}

/** The request of a presigned URL, as the AWS SDK for JavaScript would make it. */
async function smithyPresign(request: ClientRequest, options: ClientOptions): Promise<RawRequest> {
  const signed = await smithy(options).presign(smithyRequest(request), {
    signingDate: options.date,
    expiresIn: options.expiresSeconds ?? 900,
  })
  return wire(request.method, request.path, signed)
}

function smithy(options: ClientOptions): SignatureV4 {
  return new SignatureV4({
    service: options.service ?? 's3',
    region: options.region ?? 'us-east-1',
    uriEscapePath: false,
    sha256: Sha256,
    credentials: {
      accessKeyId: options.accessKeyId ?? EXAMPLE.accessKeyId,
      secretAccessKey: options.secretAccessKey ?? EXAMPLE.secretAccessKey,
      ...(options.sessionToken === undefined ? {} : { sessionToken: options.sessionToken }),
    },
  })
}

function smithyRequest(request: ClientRequest) {
  return {
    method: request.method,
    protocol: 'http:',
    hostname: request.headers['host'] ?? '',
    path: request.path,
    query: { ...request.query },
    headers: { ...request.headers },
  }
}

interface SentRequest {
  readonly query?: Readonly<Record<string, unknown>> | undefined
  readonly headers: Readonly<Record<string, string>>
}

function wire(method: string, path: string, sent: SentRequest): RawRequest {
  const query = Object.fromEntries(
    Object.entries(sent.query ?? {}).map(([key, value]) => [key, String(value)]),
  )
  return {
    method,
    target: targetOf({ path, query }),
    rawHeaders: Object.entries(sent.headers).flat(),
  }
}

interface Aws4Request {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly service: string
  readonly region: string
  readonly signQuery: boolean
}

interface Aws4 {
  sign(
    request: Aws4Request,
    credentials: typeof EXAMPLE,
  ): { readonly path: string; readonly headers: Readonly<Record<string, string>> }
}

const aws4: Aws4 = createRequire(import.meta.url)('aws4')

/** The request as aws4 signs it; `target` is path and query, `date` stands in the headers. */
function aws4Sign(
  request: { readonly method: string; readonly target: string },
  headers: Readonly<Record<string, string>>,
  place: 'header' | 'query',
): RawRequest {
  const signed = aws4.sign(
    {
      method: request.method,
      path: request.target,
      headers,
      service: 's3',
      region: 'us-east-1',
      signQuery: place === 'query',
    },
    EXAMPLE,
  )
  return {
    method: request.method,
    target: signed.path,
    rawHeaders: Object.entries(signed.headers).flat(),
  }
}
