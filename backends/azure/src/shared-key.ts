import type { Headers } from '@forebay/backend-transport/conditional-headers'
import type { SigningKey } from '@forebay/s3/sigv4/signing-key'

/** A request as far as its signature covers it. */
export interface SignedParts {
  readonly method: string
  /** Encoded path and query, as they go over the wire. */
  readonly target: string
  /** By lower-case name, `x-ms-date` among them. */
  readonly headers: Headers
}

/** Headers that are signed by their place (Azure, "Authorize with Shared Key"). */
const SIGNED_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const

/** `Authorization` of a request that is signed with the key of the account. */
export function sharedKeyAuthorization(
  parts: SignedParts,
  by: { readonly account: string; readonly key: SigningKey },
): string {
  const signature = by.key.sign(stringToSign(parts, by.account), 'base64')
  return `SharedKey ${by.account}:${signature}`
}

function stringToSign(parts: SignedParts, account: string): string {
  const { method, target, headers } = parts
  const lines: string[] = [method]
  for (const name of SIGNED_HEADERS) {
    const value = headers[name] ?? ''
    lines.push(name === 'content-length' && value === '0' ? '' : value)
  }
  const vendorNames = Object.keys(headers).filter((name) => name.startsWith('x-ms-'))
  for (const name of vendorNames.sort(compareHeaderNames)) lines.push(`${name}:${headers[name]}`)
  lines.push(canonicalResource(target, account))
  return lines.join('\n')
}

function canonicalResource(target: string, account: string): string {
  const at = target.indexOf('?')
  if (at < 0) return `/${account}${target}`
  const fields = target
    .slice(at + 1)
    .split('&')
    .map((field) => {
      const [name = '', value = ''] = splitAtFirst(field, '=')
      return [name.toLowerCase(), decodeURIComponent(value)] as const
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = fields.map(([name, value]) => `\n${name}:${value}`)
  return `/${account}${target.slice(0, at)}${lines.join('')}`
}

function splitAtFirst(text: string, mark: string): readonly string[] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * Order of header names as the service has it: that of .NET's culture en-US, where `-` counts for
 * nothing and `_` comes before digits, those before letters. Other characters stand in no name of ours.
 */
export function compareHeaderNames(a: string, b: string): number {
  const left = weightsOf(a)
  const right = weightsOf(b)
  if (left === right) return 0
  return left < right ? -1 : 1
}

function weightsOf(name: string): string {
  // In ASCII a space comes before digits, and an underscore after them.
  return name.replaceAll('-', '').replaceAll('_', ' ')
}
