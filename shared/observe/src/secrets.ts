/** Secrets that can be registered; a node has two per user. */
const SECRETS_MAX = 10_000

/** Shorter values are not searched for: they would stand in ordinary words. Settings refuse them. */
const SECRET_LENGTH_MIN = 6

/** What stands in place of a secret. */
export const REDACTED = '(secret)'

/** Values that are secret by where they stand: presigned queries, Authorization headers, tokens. */
const BY_PLACE: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [
    /\b(X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential|AWSAccessKeyId|Signature)(=|%3D)[^&\s"',;\\]+/gi,
    `$1$2${REDACTED}`,
  ],
  [/\b(Bearer|Basic) [\w+/=.~-]{6,}/g, `$1 ${REDACTED}`],
  // The password of a URL.
  [/\b(rediss?(?:\+\w+)?:\/\/[^\s:@/"']*:)[^\s@/"']+@/g, `$1${REDACTED}@`],
  [/\bAWS4-HMAC-SHA256 Credential=[^"\\]+/g, `AWS4-HMAC-SHA256 ${REDACTED}`],
]

const registered = new Set<string>()
let pattern: RegExp | undefined

/**
 * Keeps a value out of every log line from now on, also inside other text, JSON and URLs.
 *
 * Values under 6 characters are ignored.
 */
export function registerSecret(value: string): void {
  if (value.length < SECRET_LENGTH_MIN || registered.size >= SECRETS_MAX) return
  for (const form of [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]) {
    registered.add(form)
  }
  // Longest first, so that a secret that begins with another one goes as a whole.
  const longestFirst = [...registered].sort((a, b) => b.length - a.length)
  pattern = new RegExp(longestFirst.map((secret) => RegExp.escape(secret)).join('|'), 'g')
}

/** The text without registered secrets, signatures, tokens and Authorization values. */
export function redactSecrets(text: string): string {
  let clean = pattern === undefined ? text : text.replace(pattern, REDACTED)
  for (const [place, replacement] of BY_PLACE) clean = clean.replace(place, replacement)
  return clean
}
