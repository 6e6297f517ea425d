import { type BucketAddress, formatObjectUrl, parseObjectUrl } from '@forebay/client/address'
import { usageError } from '../exit-code.ts'

/** Objects of one bucket that a job is to work on. */
export interface Selection {
  readonly bucket: BucketAddress
  /** As kinds take it: `keys`, `prefix`, `template`, or nothing for the whole bucket. */
  readonly args: Readonly<Record<string, unknown>>
}

export interface SelectionOptions {
  readonly recursive?: boolean | undefined
  readonly template?: string | undefined
  /** Without `recursive` a URL is one object, whatever it ends in: for what cannot be taken back. */
  readonly literal?: boolean | undefined
}

/**
 * What URLs select: a bucket is all of it, a URL that ends in `/` everything below it, any other one
 * object; with `recursive` everything that begins with it. Objects of one bucket are one selection.
 *
 * @throws ForebayError `usage` | `url-invalid`
 */
export function readSelections(
  urls: readonly string[],
  { recursive, template, literal }: SelectionOptions,
): readonly Selection[] {
  const parsed = urls.map(parseObjectUrl)
  if (template !== undefined) {
    const [only, second] = parsed
    if (only === undefined || second !== undefined || only.key !== '') {
      throw usageError('--template needs one URL, of a bucket', 'Put the prefix into the template.')
    }
    return [{ bucket: only.bucket, args: { template } }]
  }
  const named = new Map<string, { readonly bucket: BucketAddress; readonly keys: string[] }>()
  const others: Selection[] = []
  const needsFlag = literal === true && recursive !== true
  for (const { bucket, key } of parsed) {
    if (key === '' && needsFlag) {
      throw usageError(`${formatObjectUrl(bucket)} names no object`, 'Add -r for all of it.')
    }
    if (key === '') others.push({ bucket, args: {} })
    else if (recursive === true || (key.endsWith('/') && !needsFlag)) {
      others.push({ bucket, args: { prefix: key } })
    } else {
      const group = named.get(formatObjectUrl(bucket)) ?? { bucket, keys: [] }
      group.keys.push(key)
      named.set(formatObjectUrl(bucket), group)
    }
  }
  return [...others, ...[...named.values()].map(({ bucket, keys }) => ({ bucket, args: { keys } }))]
}
