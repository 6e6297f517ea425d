/** Requests to S3 from k6; where and as whom, the environment says. */
import { check } from 'k6'
import { hmac, sha256 } from 'k6/crypto'
import { type Params, type Response, request } from 'k6/http'
import { type SigningCrypto, signHeaders } from './sign.ts'

const ENDPOINT = __ENV['ENDPOINT'] ?? 'http://127.0.0.1:8080'
const HOST = ENDPOINT.replace(/^https?:\/\//, '')
const ACCESS_KEY = __ENV['ACCESS_KEY']
const SECRET_KEY = __ENV['SECRET_KEY']

export const BUCKET = __ENV['BUCKET'] ?? 'k6-load'

/** Objects of a scenario. */
export const OBJECTS = Number(__ENV['OBJECTS'] ?? '200')

/** Bytes of each. */
export const SIZE_BYTES = Number(__ENV['SIZE_BYTES'] ?? '65536')

const crypto: SigningCrypto = {
  sha256Hex: (text) => sha256(text, 'hex'),
  hmac: (key, text) => hmac('sha256', key, text, 'binary'),
  hmacHex: (key, text) => hmac('sha256', key, text, 'hex'),
}

/** One request, tagged with its kind so that thresholds can tell them apart. */
export function s3(
  kind: 'get' | 'put' | 'list' | 'bucket',
  method: string,
  target: { readonly path: string; readonly query?: string; readonly body?: string },
): Response {
  const { path, query = '', body } = target
  const signing = { method, host: HOST, path, query, date: new Date() }
  const headers =
    ACCESS_KEY === undefined || SECRET_KEY === undefined
      ? {}
      : signHeaders(crypto, { accessKey: ACCESS_KEY, secretKey: SECRET_KEY }, signing)
  // Metrics of one kind, not one series for each key.
  const params: Params = { headers, tags: { kind, name: kind }, responseType: 'binary' }
  return request(
    method,
    `${ENDPOINT}${path}${query === '' ? '' : `?${query}`}`,
    body ?? null,
    params,
  )
}

export function keyPath(index: number): string {
  return `/${BUCKET}/k6/${String(index).padStart(6, '0')}`
}

export function get(index: number): void {
  const response = s3('get', 'GET', { path: keyPath(index) })
  check(response, {
    'a read has status 200': ({ status }) => status === 200,
    'a read has all of its bytes': ({ body }) =>
      body instanceof ArrayBuffer && body.byteLength === SIZE_BYTES,
  })
}

export function put(index: number): void {
  const response = s3('put', 'PUT', { path: keyPath(index), body: BODY })
  check(response, { 'a write has status 200': ({ status }) => status === 200 })
}

export function list(): void {
  const response = s3('list', 'GET', { path: `/${BUCKET}`, query: 'list-type=2&prefix=k6%2F' })
  check(response, { 'a listing has status 200': ({ status }) => status === 200 })
}

const BODY = 'forebay '.repeat(Math.ceil(SIZE_BYTES / 8)).slice(0, SIZE_BYTES)

/** The bucket and its objects, made once before the load. */
export function prepare(): void {
  s3('bucket', 'PUT', { path: `/${BUCKET}` })
  for (let index = 0; index < OBJECTS; index += 1) put(index)
}
