/** The two examples of the S3 API reference, "Transferring Payload in Multiple Chunks". */
import { expect, test } from 'vitest'
import { EXAMPLE } from '../sigv4/test-client.ts'
import { SignatureVerifier } from '../sigv4/verify.ts'
import { ChunkedDecoder } from './decoder.ts'
import { encodeChunked } from './encoder.ts'

const MAY_2013 = Date.UTC(2013, 4, 24)
const CREDENTIAL = `${EXAMPLE.accessKeyId}/20130524/us-east-1/s3/aws4_request`
const BODY = [Buffer.alloc(65_536, 'a'), Buffer.alloc(1024, 'a')]

const verifier = new SignatureVerifier({
  secretOf: (key) => (key === EXAMPLE.accessKeyId ? EXAMPLE.secretAccessKey : undefined),
  region: 'us-east-1',
  clock: { now: () => MAY_2013 },
})

const COMMON = {
  host: 's3.amazonaws.com',
  'x-amz-date': '20130524T000000Z',
  'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '66560',
}

const EXAMPLES = [
  {
    name: 'without trailers',
    headers: {
      ...COMMON,
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'content-length': '66824',
    },
    signedHeaders:
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
    seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    signatures: [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ],
    trailer: undefined,
  },
  {
    name: 'with a trailing checksum',
    headers: {
      ...COMMON,
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      'x-amz-trailer': 'x-amz-checksum-crc32c',
    },
    signedHeaders:
      'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
    seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    signatures: [
      'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
      '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
      '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
      'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
    ],
    trailer: 'sOO8/Q==',
  },
] as const

test.each(EXAMPLES)('the example $name is verified, head and chunks', (example) => {
  const authorization = `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=${example.signedHeaders},Signature=${example.seed}`
  const authentication = verifier.verify({
    method: 'PUT',
    target: '/examplebucket/chunkObject.txt',
    rawHeaders: Object.entries({ ...example.headers, authorization }).flat(),
  })
  expect(authentication.kind).toBe('signed')
  if (authentication.kind !== 'signed') return

  const [first, second, final, trailers] = example.signatures
  const tail =
    example.trailer === undefined
      ? ''
      : `x-amz-checksum-crc32c:${example.trailer}\r\nx-amz-trailer-signature:${trailers}\r\n`
  const wire = Buffer.concat([
    Buffer.from(`10000;chunk-signature=${first}\r\n`),
    Buffer.alloc(65_536, 'a'),
    Buffer.from(`\r\n400;chunk-signature=${second}\r\n`),
    Buffer.alloc(1024, 'a'),
    Buffer.from(`\r\n0;chunk-signature=${final}\r\n${tail}\r\n`),
  ])
  const decoder = new ChunkedDecoder({
    mode: { kind: 'chunked-signed', trailer: example.trailer !== undefined },
    chain: authentication.chunks,
    declaredLength: 66_560,
    trailerNames: example.trailer === undefined ? [] : ['x-amz-checksum-crc32c'],
  })
  let bytes = 0
  decoder.write(wire, (data) => {
    bytes += data.length
  })
  decoder.end()
  expect(authentication.chunks).toBeDefined()
  expect(bytes).toBe(66_560)
  expect(decoder.trailers.get('x-amz-checksum-crc32c')).toBe(example.trailer)
})

test.each(EXAMPLES)('the encoder writes the example $name', (example) => {
  const wire = Buffer.concat([
    ...encodeChunked(BODY, {
      signer: {
        secretAccessKey: EXAMPLE.secretAccessKey,
        region: 'us-east-1',
        date: new Date(MAY_2013),
        seedSignature: example.seed,
      },
      trailers:
        example.trailer === undefined ? undefined : { 'x-amz-checksum-crc32c': example.trailer },
    }),
  ])
  expect(wire.toString('latin1').match(/(?<=signature[=:])[0-9a-f]{64}/g)).toEqual(
    example.signatures,
  )
  if (example.trailer === undefined) expect(wire).toHaveLength(66_824)
})
