/** Requests as bytes, prepared before a run so that the client only sends them. */
import { writeFile } from 'node:fs/promises'
import { signRequest } from '@forebay/s3/sigv4/sign'
import type { S3Credentials } from '../testkit/servers.ts'

export const REGION = 'us-east-1'

/** One request without its body. */
export type Request = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** Path and query, encoded as on the wire. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Who a request is for and who signs it. */
export type Signing = {
  /** `host:port` */
  readonly host: string
  /** Absent: unsigned. */
  readonly credentials?: S3Credentials | undefined
  /** Default: now. */
  readonly date?: Date | undefined
}

/** The head of a request as it stands on the wire; bodies are signed as UNSIGNED-PAYLOAD. */
export function renderHead(request: Request, signing: Signing): string {
  const headers = { host: signing.host, ...request.headers }
  const all = { ...headers, ...(signing.credentials && signatureOf(request, headers, signing)) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${request.method} ${request.target} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** Headers that authenticate the request, `host` apart. */
export function signatureOf(
  request: Request,
  headers: Readonly<Record<string, string>>,
  signing: Signing,
): Readonly<Record<string, string>> {
  return signRequest({
    method: request.method,
    target: request.target,
    headers,
    payload: 'UNSIGNED-PAYLOAD',
    credentials: {
      accessKeyId: signing.credentials?.accessKey ?? '',
      secretAccessKey: signing.credentials?.secretKey ?? '',
    },
    region: REGION,
    date: signing.date ?? new Date(),
  })
}

/** The file that the client reads: before each head its length in 4 bytes, little endian. */
export function encodeHeads(heads: readonly string[]): Buffer {
  const parts = heads.map((head) => {
    const bytes = Buffer.from(head, 'latin1')
    const size = Buffer.alloc(4)
    size.writeUInt32LE(bytes.length)
    return Buffer.concat([size, bytes])
  })
  return Buffer.concat(parts)
}

export async function writeHeads(path: string, heads: readonly string[]): Promise<void> {
  await writeFile(path, encodeHeads(heads))
}

/** `count` targets `/<bucket>/<folder>/<index>`. */
export function targetsOf(bucket: string, folder: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `/${bucket}/${folder}/${objectName(index)}`)
}

export function objectName(index: number): string {
  return String(index).padStart(6, '0')
}
