/** A pair of keys of a Forebay user. */
export interface Credentials {
  readonly accessKey: string
  readonly secretKey: string
  /** Region that the server expects in signatures; default `us-east-1`. */
  readonly region?: string | undefined
}

export interface SignableRequest {
  readonly method: string
  readonly url: URL
  /** Lower-case hexadecimal SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string
  readonly date: Date
}

/** What is signed when a body is streamed. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

const ALGORITHM = 'AWS4-HMAC-SHA256'
const SERVICE = 's3'

/**
 * Headers that authenticate a request by Signature Version 4, as S3 has it: the path is signed as
 * sent. The native door and the S3 door take the same signatures.
 */
export async function signRequest(
  request: SignableRequest,
  credentials: Credentials,
): Promise<Readonly<Record<string, string>>> {
  const { url, payloadHash } = request
  const { time, scope } = scopeOf(request.date, credentials)
  const headers = { host: url.host, 'x-amz-content-sha256': payloadHash, 'x-amz-date': time }
  const signature = await signatureOf({ ...request, headers }, { time, scope }, credentials)
  return {
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': time,
    authorization: `${ALGORITHM} Credential=${credentials.accessKey}/${scope}, SignedHeaders=${namesOf(headers)}, Signature=${signature}`,
  }
}

/**
 * An address that makes one request by whoever has it, until it expires. The secret key is not in
 * it, and cannot be found from it.
 *
 * @param request.expiresSeconds 1..604,800
 */
export async function presignUrl(
  request: Pick<SignableRequest, 'method' | 'url' | 'date'> & { readonly expiresSeconds: number },
  credentials: Credentials,
): Promise<URL> {
  const { time, scope } = scopeOf(request.date, credentials)
  const url = new URL(request.url)
  const headers = { host: url.host }
  const added = {
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${credentials.accessKey}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(request.expiresSeconds),
    'X-Amz-SignedHeaders': namesOf(headers),
  }
  const pairs = [...url.searchParams, ...Object.entries(added)]
  url.search = pairs
    .map(([name, value]) => `${encodeStrict(name)}=${encodeStrict(value)}`)
    .join('&')
  const signed = { method: request.method, url, headers, payloadHash: UNSIGNED_PAYLOAD }
  const signature = await signatureOf(signed, { time, scope }, credentials)
  url.search = `${url.search}&X-Amz-Signature=${signature}`
  return url
}

interface Scope {
  /** As S3 writes it: `20261121T140500Z`. */
  readonly time: string
  readonly scope: string
}

function scopeOf(date: Date, credentials: Credentials): Scope {
  const time = date.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const region = credentials.region ?? 'us-east-1'
  return { time, scope: `${time.slice(0, 8)}/${region}/${SERVICE}/aws4_request` }
}

function namesOf(headers: Readonly<Record<string, string>>): string {
  return Object.keys(headers).join(';')
}

async function signatureOf(
  request: Pick<SignableRequest, 'method' | 'url' | 'payloadHash'> & {
    /** By name, lower case and sorted. */
    readonly headers: Readonly<Record<string, string>>
  },
  { time, scope }: Scope,
  credentials: Credentials,
): Promise<string> {
  const canonical = [
    request.method,
    request.url.pathname,
    canonicalQuery(request.url),
    ...Object.entries(request.headers).map(([name, value]) => `${name}:${value}`),
    '',
    namesOf(request.headers),
    request.payloadHash,
  ].join('\n')
  const toSign = [ALGORITHM, time, scope, await sha256Hex(canonical)].join('\n')
  let key: Uint8Array<ArrayBuffer> = encode(`AWS4${credentials.secretKey}`)
  for (const part of scope.split('/')) key = await hmac(key, part)
  return toHex(await hmac(key, toSign))
}

/** Lower-case hexadecimal SHA-256. */
export async function sha256Hex(data: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof data === 'string' ? encode(data) : data
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}

/** Percent-encodes all but letters, digits and `-_.~`, as signatures require. */
export function encodeStrict(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function canonicalQuery(url: URL): string {
  return [...url.searchParams]
    .map(([name, value]) => `${encodeStrict(name)}=${encodeStrict(value)}`)
    .sort()
    .join('&')
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, encode(text)))
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
