import { expect, test } from 'vitest'
import { encodeStrict, presignUrl, sha256Hex, signRequest } from './sign-request.ts'

/** Keys and requests of the examples in the S3 API reference, "Authenticating Requests". */
const CREDENTIALS = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const DATE = new Date('2013-05-24T00:00:00.000Z')

test.each([
  ['/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
  ['/?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
])('GET %s has the signature of the reference', async (path, signature) => {
  const headers = await signRequest(
    {
      method: 'GET',
      url: new URL(`https://examplebucket.s3.amazonaws.com${path}`),
      payloadHash: await sha256Hex(''),
      date: DATE,
    },
    CREDENTIALS,
  )
  expect(headers['x-amz-date']).toBe('20130524T000000Z')
  expect(headers['authorization']).toBe(
    `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
  )
})

test('an address signed for a day has the signature of the reference', async () => {
  const url = new URL('https://examplebucket.s3.amazonaws.com/test.txt')
  const request = { method: 'GET', url, date: DATE, expiresSeconds: 86_400 }
  const signed = await presignUrl(request, CREDENTIALS)
  expect(signed.searchParams.get('X-Amz-Signature')).toBe(
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  )
  expect(signed.searchParams.get('X-Amz-Expires')).toBe('86400')
  expect(signed.href).not.toContain(CREDENTIALS.secretKey)
  expect(url.search).toBe('')
})

test('everything but letters, digits and -_.~ is escaped', () => {
  expect(encodeStrict("aZ0-_.~ !'()*/é")).toBe('aZ0-_.~%20%21%27%28%29%2A%2F%C3%A9')
})
