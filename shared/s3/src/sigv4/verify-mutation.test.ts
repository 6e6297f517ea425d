/** Signed requests in which one byte was changed, by seed. */
import { Failure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { presign } from './sign.ts'
import { clientSign, date, EXAMPLE, GET, NOW, OPTIONS, PUT } from './test-client.ts'
import { type Authentication, type RawRequest, SignatureVerifier } from './verify.ts'

const MUTATIONS = 10_000
const SEED = NOW

/** A small generator of the same numbers for the same seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function signedRequests(): readonly RawRequest[] {
  const query = { 'list-type': '2', prefix: 'a b/c+d~é', delimiter: '/', uploads: '' }
  const headers = {
    ...PUT.headers,
    'x-amz-meta-b': 'two  words, and a comma',
    'x-amz-tagging': 'a=b&c=d',
    'content-type': 'text/plain; charset=utf-8',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': '5',
  }
  const presigned = presign({
    method: 'GET',
    target: '/bucket/a%2Fb=c/%C3%A9?versionId=null&response-content-type=a%2Fb+c',
    headers: { host: 'localhost:8080' },
    credentials: EXAMPLE,
    region: 'us-east-1',
    date: date(),
    expiresSeconds: 3600,
  })
  const cpp = clientSign({ ...GET, path: '/bucket/year%3D2020/a%26b' }, { date: date() })
  return [
    clientSign({ ...GET, path: '/bucket/', query }, { date: date() }),
    clientSign({ ...PUT, path: '/bucket/a/%7Eb%20c', headers }, { date: date() }),
    { ...cpp, target: '/bucket/year=2020/a&b' },
    { method: 'GET', target: presigned, rawHeaders: ['host', 'localhost:8080'] },
  ]
}

/** The parts of a request that are signed or carry the signature, as places to be changed. */
function signedParts(request: RawRequest): readonly ((change: Change) => RawRequest)[] {
  const values = request.rawHeaders.flatMap((_, index) => (index % 2 === 1 ? [index] : []))
  return [
    (change) => ({ ...request, method: change(request.method) }),
    (change) => ({ ...request, target: change(request.target) }),
    (change) => ({ ...request, target: change(request.target) }),
    ...values.map((place) => (change: Change) => ({
      ...request,
      rawHeaders: request.rawHeaders.map((text, index) => (index === place ? change(text) : text)),
    })),
  ]
}

type Change = (text: string) => string

/** A presigned URL without its `?` is a path: whoever comes with it is anonymous, and denied so. */
function lostItsQuery(authentication: Authentication, changed: RawRequest): boolean {
  return authentication.kind === 'anonymous' && !changed.target.includes('?')
}

test(`${MUTATIONS} requests with one byte changed are refused, each with 400 or 403`, () => {
  const verifier = new SignatureVerifier(OPTIONS)
  const requests = signedRequests()
  for (const request of requests) expect(verifier.verify(request).kind).toBe('signed')

  const below = random(SEED)
  // Every byte that a header or target may hold; others never leave the HTTP parser.
  const anyByte = (): string => String.fromCharCode(0x21 + below(0xff - 0x21 + 1))
  const changeOne: Change = (text) => {
    const place = below(text.length)
    const old = text.charAt(place)
    // Half of the changes are of letter case, where mistakes are likeliest.
    const flipped = String.fromCharCode(old.charCodeAt(0) ^ 0x20)
    const changed = below(2) === 0 && flipped > ' ' ? flipped : anyByte()
    return changed === old
      ? changeOne(text)
      : text.slice(0, place) + changed + text.slice(place + 1)
  }
  const codes = new Set<string>()
  for (let round = 0; round < MUTATIONS; round++) {
    const request = requests[round % requests.length]
    const parts = request === undefined ? [] : signedParts(request)
    const changed = parts[below(parts.length)]?.(changeOne)
    expect(changed).toBeDefined()
    if (changed === undefined) continue
    try {
      if (lostItsQuery(verifier.verify(changed), changed)) continue
    } catch (error) {
      if (error instanceof Failure && (error.status === 400 || error.status === 403)) {
        codes.add(error.code)
        continue
      }
      throw new Error(`seed ${SEED}, round ${round}: ${JSON.stringify(changed)}`, { cause: error })
    }
    throw new Error(`seed ${SEED}, round ${round} was accepted: ${JSON.stringify(changed)}`)
  }
  expect(codes.size).toBeGreaterThan(5)
})

test('a target in which the case of any one byte is changed is refused', () => {
  const verifier = new SignatureVerifier(OPTIONS)
  for (const request of signedRequests()) {
    for (let place = 0; place < request.target.length; place++) {
      const flipped = String.fromCharCode(request.target.charCodeAt(place) ^ 0x20)
      const target = request.target.slice(0, place) + flipped + request.target.slice(place + 1)
      const changed = { ...request, target }
      const verify = (): unknown => verifier.verify(changed)
      if (target.includes('?') || !request.target.includes('?')) {
        expect(verify, target).toThrow(Failure)
      }
    }
  }
})
