import { type BucketAddress, formatObjectUrl, parseObjectUrl } from '@forebay/client/address'
import { ForebayError } from '@forebay/client/forebay-error'
import { type CliContext, clientOf } from '../cli-context.ts'
import type { Candidate, Completion } from './complete.ts'

/** `scheme`: a bucket that need not be known; `bucket`: a known one; `object`: a key or prefix in one. */
export type UrlKind = 'scheme' | 'bucket' | 'object'

/** A shell waits while we ask; longer than this nobody wants. */
const ASK_TIMEOUT_MS = 1500

/** Candidates of one answer; a screen holds fewer. */
const CANDIDATES_MAX = 200

const SCHEMES: readonly Candidate[] = [
  { value: 's3://', description: 'a bucket of AWS or another S3 store' },
  { value: 'gs://', description: 'a bucket of Google Cloud Storage' },
  { value: 'az://', description: 'a container of Azure' },
]

interface UrlInput {
  readonly kind: UrlKind
  readonly context: CliContext
  readonly endpoint: string | undefined
}

/** Buckets while there is none in the word yet, then the names one level below what is there. */
export async function completeUrl(current: string, input: UrlInput): Promise<Completion> {
  const candidates = await ask(input, (signal) =>
    input.kind === 'scheme'
      ? Promise.resolve(SCHEMES)
      : hasBucket(current)
        ? names(current, input, signal)
        : buckets(input, signal),
  )
  const fitting = candidates.filter(({ value }) => value.startsWith(current))
  const isOpen = input.kind !== 'bucket' && fitting.every(({ value }) => value.endsWith('/'))
  return { kind: isOpen ? 'open' : 'words', candidates: fitting.slice(0, CANDIDATES_MAX) }
}

/** True for `scheme://bucket/` and what is longer. */
function hasBucket(current: string): boolean {
  return /^[a-z0-9]+:\/\/[^/]+\//.test(current)
}

/** What a running node answers; nothing when it does not in time, or refuses. */
export async function ask(
  { context }: { readonly context: CliContext },
  question: (signal: AbortSignal) => Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
  try {
    return await question(signal)
  } catch (error) {
    if (error instanceof ForebayError || signal.aborted) return []
    throw error
  }
}

async function buckets(
  { kind, context, endpoint }: UrlInput,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const known = await clientOf({ context, options: { endpoint } }).buckets.list({ signal })
  const end = kind === 'bucket' ? '' : '/'
  return known.flatMap(({ address, aliases, backend }) => [
    {
      value: `${formatObjectUrl(address)}${end}`,
      description: backend === undefined ? 'a native bucket' : 'through the cache',
    },
    ...aliases.map((alias) => ({
      value: `fb://${alias}${end}`,
      description: `alias of ${formatObjectUrl(address)}`,
    })),
  ])
}

async function names(
  current: string,
  { context, endpoint, kind }: UrlInput,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  if (kind === 'bucket') return []
  const { bucket, key } = parseObjectUrl(current)
  const client = clientOf({ context, options: { endpoint } })
  // A listing of one level: what follows the last slash is a beginning of names, not a level.
  const objects = client.objects.list(bucket, {
    prefix: key,
    flat: true,
    pageSize: CANDIDATES_MAX,
    signal,
  })
  const found: Candidate[] = []
  for await (const object of objects) {
    found.push({ value: urlOf(current, bucket, object.key) })
    if (found.length === CANDIDATES_MAX) break
  }
  return found
}

/** With the scheme that was typed: `aws://` and `s3://` mean the same. */
function urlOf(current: string, { name }: BucketAddress, key: string): string {
  return `${current.slice(0, current.indexOf('://'))}://${name}/${key}`
}
