import { createHash, createHmac } from 'node:crypto'
import { signRequest } from '@forebay/s3/sigv4/sign'
import { expect, test } from 'vitest'
import { type SigningCrypto, signHeaders } from './sign.ts'

const bytesOf = (key: string | ArrayBuffer): Buffer =>
  typeof key === 'string' ? Buffer.from(key) : Buffer.from(key)

const crypto: SigningCrypto = {
  sha256Hex: (text) => createHash('sha256').update(text).digest('hex'),
  hmac: (key, text) =>
    new Uint8Array(createHmac('sha256', bytesOf(key)).update(text).digest()).buffer,
  hmacHex: (key, text) => createHmac('sha256', bytesOf(key)).update(text).digest('hex'),
}

test.each(['', 'list-type=2&prefix=k6%2F'])('scenarios sign as the product does: %j', (query) => {
  const date = new Date('2026-11-21T10:11:12.345Z')
  const request = { method: 'GET', host: '127.0.0.1:8080', path: '/b/k6/000001', query, date }
  const headers = signHeaders(crypto, { accessKey: 'AKID', secretKey: 'secret' }, request)
  const wanted = signRequest({
    method: 'GET',
    target: `${request.path}${query === '' ? '' : `?${query}`}`,
    headers: { host: request.host },
    payload: 'UNSIGNED-PAYLOAD',
    credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret' },
    region: 'us-east-1',
    date,
  })
  expect(headers).toEqual(wanted)
})
