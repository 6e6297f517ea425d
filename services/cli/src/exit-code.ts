import { ForebayError } from '@forebay/client/forebay-error'

/** What the shell is told; also in `forebay --help`. */
export const EXIT_CODES = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  denied: 5,
  damaged: 6,
  interrupted: 130,
} as const

/** The exit codes in words, for the help text. */
export const EXIT_CODES_TEXT = `Exit codes:
  0    done
  1    it failed; the message says why
  2    the command line is wrong
  3    the bucket or object does not exist, or is not cached
  4    no answer from the endpoint
  5    not allowed
  6    fsck or scrub found damage
  130  interrupted`

/** The exit code for a failure. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof ForebayError)) return EXIT_CODES.failed
  if (error.code === 'url-invalid' || error.code === 'endpoint-invalid') return EXIT_CODES.usage
  if (error.code === 'usage' || error.code === 'id-invalid') return EXIT_CODES.usage
  if (error.status === 404) return EXIT_CODES.notFound
  if (error.status === 401 || error.status === 403) return EXIT_CODES.denied
  return error.code === 'unreachable' ? EXIT_CODES.unreachable : EXIT_CODES.failed
}

/** A mistake on the command line that the parser cannot see. */
export function usageError(message: string, hint?: string): ForebayError {
  return new ForebayError(message, { code: 'usage', status: 0, hint, retryable: false })
}
