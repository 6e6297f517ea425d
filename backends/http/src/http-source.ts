import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'
import { encodePath } from '@forebay/s3/sigv4/canonical'

/**
 * What a bucket of a web server is: everything below a directory, or one object, whose key is the last
 * component of its path.
 */
export type HttpSource =
  | { readonly kind: 'directory'; readonly url: URL }
  | { readonly kind: 'object'; readonly url: URL; readonly key: string }

/** A URL that a user states, bytes; the longest that servers commonly take. */
const URL_BYTES_MAX = 8192

/**
 * The source that a URL names: a directory when its path ends with a slash, one object otherwise. Only
 * the URL of an object may have a query (a signed link).
 *
 * @throws Failure `argument-invalid` for anything but http(s), and for a user name, a password, a
 *   fragment, a backslash or a control character in it
 */
export function parseHttpSource(text: string): HttpSource {
  const url = parseWebUrl(text)
  if (!url.pathname.endsWith('/')) return { kind: 'object', url, key: lastName(url) }
  if (url.search !== '' || text.includes('?')) throw invalid('is a directory and has a query (?)')
  return { kind: 'directory', url }
}

/**
 * The URL in a text that a user stated.
 *
 * @throws Failure `argument-invalid` as `parseHttpSource`
 */
export function parseWebUrl(text: string): URL {
  if (text.length > URL_BYTES_MAX) throw invalid('is too long')
  // The parser would drop or turn these silently, and another reader of the text might not.
  if (!/^[\x21-\x5b\x5d-\x7e\u00a0-\uffff]+$/.test(text))
    throw invalid('has a space, a backslash or a control character')
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\/[^/]/i.test(text) || !isWeb(url)) {
    throw invalid('is not of the form http://host/directory/ or https://host/directory/')
  }
  if (url.username !== '' || url.password !== '') throw invalid('has a user name or a password')
  if (url.hash !== '' || text.includes('#')) throw invalid('has a fragment (#)')
  return url
}

/** True for the two schemes that are ever asked, at a redirect too. */
export function isWeb(url: URL): boolean {
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== ''
}

/** The URL in messages and logs: its query may hold a secret. */
export function describeUrl(url: URL): string {
  return `${url.origin}${url.pathname}`
}

/**
 * Where a key of the source lies, or `undefined` where no object can be: another key than that of a
 * single object, and the names of directories.
 *
 * @throws Failure `key-invalid` for a key that would lead out of the directory
 */
export function urlOfKey(source: HttpSource, key: string): URL | undefined {
  if (source.kind === 'object') return key === source.key ? source.url : undefined
  // Some servers take a backslash for a slash.
  if (key.split(/[/\\]/).some((name) => name === '.' || name === '..')) {
    throw new Failure('key-invalid', `"${key}" would lead out of ${describeUrl(source.url)}`)
  }
  if (key === '' || key.endsWith('/')) return undefined
  return new URL(source.url.href + encodePath(key))
}

/** A path component as a name, `undefined` when it is none: bad escapes, dots, a slash, a NUL. */
export function decodeName(encoded: string): string | undefined {
  let name: string
  try {
    name = decodeURIComponent(encoded)
  } catch {
    // Not UTF-8: no key of ours could name it.
    return undefined
  }
  return isName(name) ? name : undefined
}

/** True for what can be one component of a key. */
export function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || !name.isWellFormed()) return false
  return !/[/\\\0]/.test(name) && Buffer.byteLength(name) <= KEY_BYTES_MAX
}

function lastName(url: URL): string {
  const name = decodeName(url.pathname.slice(url.pathname.lastIndexOf('/') + 1))
  if (name === undefined) throw invalid('does not end in a name that can be a key')
  return name
}

function invalid(what: string): Failure {
  return new Failure('argument-invalid', `the URL ${what}`, {
    hint: 'give a directory like https://host/dir/ or an object like https://host/dir/file',
  })
}
