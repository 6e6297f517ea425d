/** Signature Version 4 for the scenarios: k6 runs no module of Node, and fetches none from elsewhere. */

/** The two functions that a signature is made of; k6 and Node each have them. */
export type SigningCrypto = {
  readonly sha256Hex: (text: string) => string
  readonly hmac: (key: string | ArrayBuffer, text: string) => ArrayBuffer
  readonly hmacHex: (key: string | ArrayBuffer, text: string) => string
}

export type Keys = { readonly accessKey: string; readonly secretKey: string }

export type Unsigned = {
  readonly method: string
  readonly host: string
  /** Encoded as it goes over the wire; letters, digits, `/`, `-`, `_`, `.`, `~` and percent signs. */
  readonly path: string
  /** Encoded and in the order of their names; empty without. */
  readonly query: string
  readonly date: Date
}

const REGION = 'us-east-1'

/** Headers that authenticate a request whose body is not signed. */
export function signHeaders(
  crypto: SigningCrypto,
  keys: Keys,
  request: Unsigned,
): Readonly<Record<string, string>> {
  const time = request.date.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const payload = 'UNSIGNED-PAYLOAD'
  const names = 'host;x-amz-content-sha256;x-amz-date'
  const canonical = [
    request.method,
    request.path,
    request.query,
    `host:${request.host}`,
    `x-amz-content-sha256:${payload}`,
    `x-amz-date:${time}`,
    '',
    names,
    payload,
  ].join('\n')
  const scope = `${day}/${REGION}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', time, scope, crypto.sha256Hex(canonical)].join('\n')
  const dayKey = crypto.hmac(`AWS4${keys.secretKey}`, day)
  const key = crypto.hmac(crypto.hmac(crypto.hmac(dayKey, REGION), 's3'), 'aws4_request')
  const signature = crypto.hmacHex(key, text)
  return {
    'x-amz-content-sha256': payload,
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  }
}
