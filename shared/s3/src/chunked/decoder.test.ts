import { Failure, type FailureCode } from '@forebay/base/failure'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChunkChain } from '../sigv4/chunk-chain.ts'
import { signRequest } from '../sigv4/sign.ts'
import { deriveSigningKey } from '../sigv4/signing-key.ts'
import { EXAMPLE } from '../sigv4/test-client.ts'
import { SignatureVerifier } from '../sigv4/verify.ts'
import {
  announcedTrailers,
  ChunkedDecoder,
  type ChunkedDecoderOptions,
  decodedLength,
} from './decoder.ts'
import { chunkedHeaders, encodeChunked } from './encoder.ts'

const DATE = new Date(Date.UTC(2026, 0, 31))
const SEED = 'ab'.repeat(32)
const CRC32 = { 'x-amz-checksum-crc32': 'NhCmhg==' }

const signer = {
  secretAccessKey: EXAMPLE.secretAccessKey,
  region: 'us-east-1',
  date: DATE,
  seedSignature: SEED,
}

function chain(signature = SEED): ChunkChain {
  const key = deriveSigningKey({
    accessKey: EXAMPLE.accessKeyId,
    secretKey: EXAMPLE.secretAccessKey,
    date: '20260131',
    region: 'us-east-1',
    service: 's3',
  })
  const scope = '20260131/us-east-1/s3/aws4_request'
  return new ChunkChain({ key, timestamp: '20260131T000000Z', scope, signature })
}

type Kind = 'signed' | 'signed-trailer' | 'unsigned'

function optionsOf(kind: Kind, declaredLength: number): ChunkedDecoderOptions {
  const trailerNames = kind === 'signed' ? [] : Object.keys(CRC32)
  if (kind === 'unsigned') {
    const mode = { kind: 'chunked-unsigned', trailer: true } as const
    return { mode, declaredLength, trailerNames, chunkBytesMin: 1 }
  }
  const mode = { kind: 'chunked-signed', trailer: kind === 'signed-trailer' } as const
  return { mode, chain: chain(), declaredLength, trailerNames, chunkBytesMin: 1 }
}

function encode(kind: Kind, pieces: readonly Buffer[]): Buffer {
  const trailers = kind === 'signed' ? undefined : CRC32
  const encoding = kind === 'unsigned' ? { trailers } : { signer, trailers }
  return Buffer.concat([...encodeChunked(pieces, encoding)])
}

/** The body that the decoder hands out, once it has accepted all of it. */
function decode(options: ChunkedDecoderOptions, writes: Iterable<Buffer>): Buffer {
  const decoder = new ChunkedDecoder(options)
  const data: Buffer[] = []
  for (const wire of writes) decoder.write(wire, (piece) => data.push(piece))
  decoder.end()
  return Buffer.concat(data)
}

function refusalOf(
  options: ChunkedDecoderOptions,
  wire: Buffer | string,
): FailureCode | 'accepted' {
  try {
    decode(options, [Buffer.from(wire)])
  } catch (error) {
    if (error instanceof Failure) return error.code
    throw error
  }
  return 'accepted'
}

const HELLO = [Buffer.from('hel'), Buffer.from('lo')]

describe.each(['signed', 'signed-trailer', 'unsigned'] as const)(
  'a body with %s chunks',
  (kind) => {
    test('is decoded to the bytes that were encoded, and its trailers with it (B21)', () => {
      const decoder = new ChunkedDecoder(optionsOf(kind, 5))
      const data: Buffer[] = []
      decoder.write(encode(kind, HELLO), (piece) => data.push(piece))
      decoder.end()
      expect(Buffer.concat(data).toString()).toBe('hello')
      expect(Object.fromEntries(decoder.trailers)).toEqual(kind === 'signed' ? {} : CRC32)
    })

    test('may be empty', () => {
      expect(decode(optionsOf(kind, 0), [encode(kind, [])])).toHaveLength(0)
    })

    test('is the same however the wire is cut', () => {
      const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 })
      fc.assert(
        fc.property(pieces, fc.array(fc.nat(2000), { maxLength: 20 }), (arrays, cuts) => {
          const body = arrays.map((array) => Buffer.from(array))
          const wire = encode(kind, body)
          const places = [0, ...cuts.filter((cut) => cut < wire.length), wire.length].sort(
            (one, other) => one - other,
          )
          const writes = places.slice(1).map((end, index) => wire.subarray(places[index], end))
          const expected = Buffer.concat(body)
          expect(decode(optionsOf(kind, expected.length), writes)).toEqual(expected)
        }),
      )
    })

    test('is the same byte by byte', () => {
      const wire = encode(kind, HELLO)
      const writes = [...wire].map((byte) => Buffer.from([byte]))
      expect(decode(optionsOf(kind, 5), writes).toString()).toBe('hello')
    })

    test('is incomplete at every byte before its last (B19)', () => {
      const wire = encode(kind, HELLO)
      for (let length = 0; length < wire.length; length++) {
        expect(refusalOf(optionsOf(kind, 5), wire.subarray(0, length))).toBe('body-incomplete')
      }
    })

    test('is refused when bytes follow it (B20)', () => {
      const wire = encode(kind, HELLO)
      expect(refusalOf(optionsOf(kind, 5), Buffer.concat([wire, Buffer.from('x')]))).toBe(
        'body-incomplete',
      )
      expect(refusalOf(optionsOf(kind, 5), Buffer.concat([wire, wire]))).toBe('body-incomplete')
    })

    test('is refused when it is shorter or longer than declared', () => {
      expect(refusalOf(optionsOf(kind, 6), encode(kind, HELLO))).toBe('body-incomplete')
      expect(refusalOf(optionsOf(kind, 4), encode(kind, HELLO))).toBe('body-incomplete')
      expect(refusalOf(optionsOf(kind, 0), encode(kind, HELLO))).toBe('body-incomplete')
    })

    test('hands out views of what was written, and copies nothing', () => {
      const wire = encode(kind, [Buffer.alloc(1000, 'a')])
      const decoder = new ChunkedDecoder(optionsOf(kind, 1000))
      decoder.write(wire, (piece) => expect(piece.buffer).toBe(wire.buffer))
      decoder.end()
      expect.assertions(1)
    })
  },
)

describe.each(['signed', 'signed-trailer'] as const)('a body with %s chunks', (kind) => {
  test('is refused after a change of any one byte, but for the case of a chunk size', () => {
    const wire = encode(kind, [Buffer.alloc(26, 'a'), Buffer.from('hello')])
    const sizeLetter = 1
    expect(wire.toString('latin1', 0, 3)).toBe('1a;')
    const telling = [...'\0\t\n\r ;:0aAf\xff'].map((character) => character.charCodeAt(0))
    for (const [place, old] of wire.entries()) {
      const flips = [1, 2, 4, 8, 16, 32, 64, 128].map((bit) => old ^ bit)
      for (const byte of [...flips, ...telling]) {
        if (byte === old) continue
        const changed = Buffer.from(wire)
        changed[place] = byte
        const sameSize = place === sizeLetter && byte === 'A'.charCodeAt(0)
        const refused = refusalOf(optionsOf(kind, 31), changed)
        expect(refused === 'accepted', `byte ${place} as ${byte}`).toBe(sameSize)
      }
    }
  })

  test('is refused after a change of one byte at random', () => {
    const data = Buffer.alloc(9, 'a')
    const wire = encode(kind, [data, data])
    fc.assert(
      fc.property(fc.nat(wire.length - 1), fc.nat(255), (place, byte) => {
        fc.pre(wire[place] !== byte)
        const changed = Buffer.from(wire)
        changed[place] = byte
        expect(refusalOf(optionsOf(kind, 18), changed)).not.toBe('accepted')
      }),
      { numRuns: 3000 },
    )
  })

  test('is refused with one byte more or less anywhere', () => {
    const wire = encode(kind, HELLO)
    for (let place = 0; place < wire.length; place++) {
      const less = Buffer.concat([wire.subarray(0, place), wire.subarray(place + 1)])
      expect(refusalOf(optionsOf(kind, 5), less)).not.toBe('accepted')
      const more = Buffer.concat([wire.subarray(0, place), Buffer.from('f'), wire.subarray(place)])
      expect(refusalOf(optionsOf(kind, 5), more)).not.toBe('accepted')
    }
  })

  test('is refused when its chunks stand in another order', () => {
    const pieces = [...encodeChunked([Buffer.from('ab'), Buffer.from('cd')], { signer })]
    const swapped = [...pieces.slice(3, 6), ...pieces.slice(0, 3), ...pieces.slice(6)]
    expect(refusalOf(optionsOf('signed', 4), Buffer.concat(swapped))).toBe('signature-mismatch')
  })

  test('is refused when it continues another request', () => {
    const options = { ...optionsOf(kind, 5), chain: chain('00'.repeat(32)) }
    expect(refusalOf(options, encode(kind, HELLO))).toBe('signature-mismatch')
  })

  test('is only checked for its framing where nobody is asked to sign', () => {
    const options = { ...optionsOf(kind, 5), chain: undefined }
    const wire = encode(kind, HELLO)
      .toString('latin1')
      .replaceAll(/[0-9a-f]{64}/g, '0'.repeat(64))
    expect(decode(options, [Buffer.from(wire)]).toString()).toBe('hello')
    expect(refusalOf(options, wire.replace(';chunk-signature=', ';chunk-sig='))).toBe(
      'body-incomplete',
    )
    expect(refusalOf(options, wire.replace('0'.repeat(64), '0'.repeat(63)))).toBe('body-incomplete')
  })
})

test('a wrong signature of the first, second or final chunk is a mismatch (B17, B18)', () => {
  const wire = encode('signed', HELLO).toString('latin1')
  const signatures = wire.match(/[0-9a-f]{64}/g) ?? []
  expect(signatures).toHaveLength(3)
  for (const signature of signatures) {
    const wrong = wire.replace(signature, '0'.repeat(64))
    expect(refusalOf(optionsOf('signed', 5), wrong)).toBe('signature-mismatch')
  }
})

test('a signature is checked as soon as its chunk is there', () => {
  const wire = encode('signed', HELLO)
  const decoder = new ChunkedDecoder(optionsOf('signed', 5))
  const firstChunk = wire.subarray(0, wire.indexOf('hel') + 3)
  const changed = Buffer.from(firstChunk.toString('latin1').replace('hel', 'hal'))
  expect(() => decoder.write(changed, () => expect.unreachable())).toThrow(Failure)
})

test('trailers that are not signed, or signed otherwise, are a mismatch (B22)', () => {
  const wire = encode('signed-trailer', HELLO).toString('latin1')
  const unsigned = wire.replace(/x-amz-trailer-signature:.*\r\n/, '')
  expect(refusalOf(optionsOf('signed-trailer', 5), unsigned)).toBe('signature-mismatch')
  const changed = wire.replace('NhCmhg==', 'AAAAAA==')
  expect(refusalOf(optionsOf('signed-trailer', 5), changed)).toBe('signature-mismatch')
  const late = wire.replace(/(x-amz-checksum.*\r\n)(x-amz-trailer-signature.*\r\n)/, '$2$1')
  expect(refusalOf(optionsOf('signed-trailer', 5), late)).toBe('signature-mismatch')
})

test('a trailer after the signature of the trailers is refused', () => {
  const options = optionsOf('signed-trailer', 5)
  const announced = { ...options, trailerNames: [...options.trailerNames, 'x-amz-meta-a'] }
  const wire = encode('signed-trailer', HELLO).toString('latin1')
  const added = wire.replace(/\r\n\r\n$/, '\r\nx-amz-meta-a:b\r\n\r\n')
  expect(refusalOf(announced, added)).toBe('trailer-malformed')
})

test('a failed decoder takes nothing more and never ends well', () => {
  const decoder = new ChunkedDecoder(optionsOf('unsigned', 5))
  expect(() => decoder.write(Buffer.from('zz\r\n'), () => expect.unreachable())).toThrow(Failure)
  const good = encode('unsigned', HELLO)
  expect(() => decoder.write(good, () => expect.unreachable())).toThrow(Failure)
  expect(() => decoder.end()).toThrow(expect.objectContaining({ code: 'body-incomplete' }))
})

test.each([
  ['7fffffffffffffff\r\n', 'body-incomplete'],
  ['ffffffffffffffff\r\n', 'body-incomplete'],
  ['00000000000000005\r\nhello\r\n', 'body-incomplete'],
  ['6\r\nhello!\r\n', 'body-incomplete'],
  ['-5\r\nhello\r\n', 'body-incomplete'],
  ['+5\r\nhello\r\n', 'body-incomplete'],
  ['0x5\r\nhello\r\n', 'body-incomplete'],
  [' 5\r\nhello\r\n', 'body-incomplete'],
  ['5 \r\nhello\r\n', 'body-incomplete'],
  ['\r\n', 'body-incomplete'],
  [';a\r\n', 'body-incomplete'],
  ['5\nhello\r\n', 'body-incomplete'],
  ['5\r\nhello\n0\r\n\r\n', 'body-incomplete'],
  ['5\r\nhello!0\r\n\r\n', 'body-incomplete'],
  ['5\r\nhello\r\r\n', 'body-incomplete'],
  ['0\r\n', 'body-incomplete'],
  ['', 'body-incomplete'],
  ['a'.repeat(300), 'body-incomplete'],
  [`5;${'x'.repeat(300)}\r\nhello\r\n`, 'body-incomplete'],
] as const)('the framing %j is refused (B28, B29)', (wire, code) => {
  expect(refusalOf(optionsOf('unsigned', 5), wire)).toBe(code)
})

test('the longest line before a chunk is 256 bytes', () => {
  const tail = `\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n`
  const options = optionsOf('unsigned', 5)
  expect(refusalOf(options, `5;${'x'.repeat(252)}${tail}`)).toBe('accepted')
  expect(refusalOf(options, `5;${'x'.repeat(253)}${tail}`)).toBe('body-incomplete')
})

test.each([
  ['x-amz-checksum-crc32: NhCmhg==\r\n', 'accepted'],
  ['X-Amz-Checksum-Crc32:NhCmhg==\r\n', 'accepted'],
  ['x-amz-checksum-crc32:NhCmhg==\n\r\n', 'accepted'],
  ['', 'trailer-malformed'],
  ['x-amz-checksum-sha1:NhCmhg==\r\n', 'trailer-malformed'],
  ['x-amz-checksum-crc32:NhCmhg==\r\nx-amz-meta-a:b\r\n', 'trailer-malformed'],
  ['x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n', 'trailer-malformed'],
  ['x-amz-checksum-crc32\r\n', 'trailer-malformed'],
  [':NhCmhg==\r\n', 'trailer-malformed'],
  ['x-amz-checksum-crc32:a\rb\r\n', 'body-incomplete'],
  ['x-amz-checksum-crc32:a\n\n\r\n', 'trailer-malformed'],
  [`x-amz-trailer-signature:${'0'.repeat(64)}\r\n`, 'trailer-malformed'],
  [`x-amz-checksum-crc32:${'a'.repeat(5000)}\r\n`, 'trailer-malformed'],
] as const)('unsigned trailers %j: %s (B26)', (trailers, outcome) => {
  const wire = `5\r\nhello\r\n0\r\n${trailers}\r\n`
  expect(refusalOf(optionsOf('unsigned', 5), wire)).toBe(outcome)
})

test.each([
  [(wire) => wire.replace(/-crc32:(.*)\r\n/, '-crc32:$1\rbcd'), 'the line of a trailer goes on'],
  [(wire) => wire.replace('trailer-signature', 'trailing-signature'), 'another name'],
  [(wire) => wire.replace(/(trailer-signature:.{63})./, '$1'), 'a digit too few'],
  [(wire) => wire.replace(/\r\n\r\n$/, 'erty'), 'no end of line'],
  [(wire) => wire.replace(/\r\n\r\n$/, '\r\npp'), 'no empty line'],
] as const satisfies readonly (readonly [(wire: string) => string, string])[])(
  'a body whose signature of the trailers is not there whole is incomplete, case %#',
  (change) => {
    const wire = encode('signed-trailer', HELLO).toString('latin1')
    const changed = change(wire)
    expect(changed).not.toBe(wire)
    expect(refusalOf(optionsOf('signed-trailer', 5), changed)).toBe('body-incomplete')
  },
)

test.each([
  ['6\r\nhello\r\n0\r\n\r\n', 5, 'The request body terminated unexpectedly'],
  ['6\r\nhello!\r\n0\r\n\r\n', 5, 'the chunks are longer than x-amz-decoded-content-length'],
  [`2001\r\n${'a'.repeat(8192)}\r\n`, 8192, 'The request body terminated unexpectedly'],
  ['2002\r\n', 8193, 'the chunks are longer than x-amz-decoded-content-length'],
])(
  'a chunk that is too long is told from one that is cut short, case %#',
  (wire, length, message) => {
    for (const pieces of [[wire], [...wire]]) {
      const decoder = new ChunkedDecoder(optionsOf('unsigned', length))
      const decode = () => {
        for (const piece of pieces) decoder.write(Buffer.from(piece), () => expect.unreachable())
        decoder.end()
      }
      expect(decode).toThrow(message)
    }
  },
)

test('trailers of signed chunks without signed trailers are refused', () => {
  const wire = encode('signed', HELLO).toString('latin1')
  const added = wire.replace(/\r\n\r\n$/, '\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n')
  expect(added).not.toBe(wire)
  expect(refusalOf(optionsOf('signed', 5), added)).toBe('trailer-malformed')
  const announced = { ...optionsOf('signed', 5), trailerNames: ['x-amz-checksum-crc32'] }
  expect(refusalOf(announced, added)).toBe('bad-request')
})

test('trailers as minio-go writes them, each ended by a line feed, are read and verified', () => {
  const pieces = [...encodeChunked(HELLO, { signer, trailers: CRC32 })]
  const wire = Buffer.concat(pieces).toString('latin1').replace('NhCmhg==\r\n', 'NhCmhg==\n\r\n')
  expect(refusalOf(optionsOf('signed-trailer', 5), wire)).toBe('accepted')
})

test('chunk sizes may be written in upper case, as the SDKs for .NET and C++ do', () => {
  const data = Buffer.alloc(0xab, 'x').toString()
  const wire = `AB\r\n${data}\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n`
  expect(refusalOf(optionsOf('unsigned', 0xab), wire)).toBe('accepted')
})

test.each([
  [[8192, 8192, 100], 'accepted'],
  [[8191], 'accepted'],
  [[8191, 1], 'chunk-size-invalid'],
  [[8192, 8191, 8192], 'chunk-size-invalid'],
] as const)('chunks of %j bytes: %s, because only the last may be small', (sizes, outcome) => {
  const pieces = sizes.map((size) => Buffer.alloc(size, 'x'))
  const wire = Buffer.concat([...encodeChunked(pieces, { trailers: {} })])
  const declaredLength = sizes.reduce((sum: number, size) => sum + size, 0)
  const mode = { kind: 'chunked-unsigned', trailer: true } as const
  expect(refusalOf({ mode, declaredLength, trailerNames: [] }, wire)).toBe(outcome)
})

test('any bytes are decoded or refused as a request, and never more than declared', () => {
  const framing = fc.array(
    fc.constantFrom('0', '3', 'a', ';', '\r\n', '\n', ':', 'abc', 'x-amz-checksum-crc32', '\xff'),
  )
  fc.assert(
    fc.property(framing, (parts) => {
      const decoder = new ChunkedDecoder(optionsOf('unsigned', 3))
      let bytes = 0
      try {
        for (const part of parts) decoder.write(Buffer.from(part), (data) => (bytes += data.length))
        decoder.end()
      } catch (error) {
        expect(error).toBeInstanceOf(Failure)
      }
      expect(bytes).toBeLessThanOrEqual(3)
    }),
    { numRuns: 1000 },
  )
})

test('a body must say its decoded length (B30)', () => {
  expect(decodedLength('0')).toBe(0)
  expect(decodedLength('66560')).toBe(66_560)
  const codes: readonly [string | undefined, FailureCode][] = [
    [undefined, 'length-required'],
    ['', 'length-required'],
    ['-1', 'length-required'],
    ['1e3', 'length-required'],
    ['5,5', 'length-required'],
    ['9223372036854775807', 'length-required'],
    ['999999999999999999', 'entity-too-large'],
  ]
  for (const [header, code] of codes) {
    expect(() => decodedLength(header)).toThrow(expect.objectContaining({ code }))
  }
})

test('x-amz-trailer lists up to 16 names, each once', () => {
  expect(announcedTrailers(undefined)).toEqual([])
  expect(announcedTrailers('X-Amz-Checksum-CRC32 , b')).toEqual(['x-amz-checksum-crc32', 'b'])
  const names = Array.from({ length: 17 }, (_, index) => `n${index}`)
  expect(announcedTrailers(names.slice(0, 16).join(','))).toHaveLength(16)
  for (const header of [names.join(','), 'a,A', 'a,,b', ',']) {
    expect(() => announcedTrailers(header)).toThrow(
      expect.objectContaining({ code: 'argument-invalid' }),
    )
  }
})

test('a whole upload: the chunks continue the signature of the request', () => {
  const body = [Buffer.alloc(8192, 'a'), Buffer.from('end')]
  const headers: Record<string, string> = {
    host: 'localhost',
    ...chunkedHeaders(8195, { signed: true, trailerNames: Object.keys(CRC32) }),
  }
  const request = { method: 'PUT', target: '/bucket/key', headers }
  const added = signRequest({
    ...request,
    payload: headers['x-amz-content-sha256'] ?? '',
    credentials: EXAMPLE,
    region: 'us-east-1',
    date: DATE,
  })
  const authentication = new SignatureVerifier({
    secretOf: () => EXAMPLE.secretAccessKey,
    region: 'us-east-1',
    clock: { now: () => DATE.getTime() },
  }).verify({ ...request, rawHeaders: Object.entries({ ...headers, ...added }).flat() })
  const seedSignature = added['authorization']?.slice(-64) ?? ''
  const wire = encodeChunked(body, { signer: { ...signer, seedSignature }, trailers: CRC32 })
  expect(authentication.kind).toBe('signed')
  if (authentication.kind !== 'signed') return
  expect(authentication.payload).toEqual({ kind: 'chunked-signed', trailer: true })
  const options: ChunkedDecoderOptions = {
    mode: { kind: 'chunked-signed', trailer: true },
    chain: authentication.chunks,
    declaredLength: decodedLength(headers['x-amz-decoded-content-length']),
    trailerNames: announcedTrailers(headers['x-amz-trailer']),
  }
  expect(options.chain).toBeDefined()
  expect(decode(options, wire)).toEqual(Buffer.concat(body))
})
