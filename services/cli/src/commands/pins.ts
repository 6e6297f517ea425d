import { parseDuration } from '@forebay/base/duration'
import { isFailure } from '@forebay/base/failure'
import { type BucketAddress, formatObjectUrl, parseObjectUrl } from '@forebay/client/address'
import type { BucketSummary } from '@forebay/client/buckets'
import type { PinnedPrefix } from '@forebay/model/bucket-properties'
import { formatProperties, parseProperties } from '@forebay/model/property-list'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { formatTable } from '../output/table.ts'
import { timeText } from '../output/values.ts'
import { bucketOf, findBucket } from './bucket.ts'

/** `forebay pin URL`: what is cached below it is not evicted, for ever or until a time. */
export async function pinPrefix(
  run: Run,
  url: string,
  options: { readonly until?: string | undefined },
): Promise<void> {
  const { bucket, prefix } = prefixOf(url)
  const untilMs = options.until === undefined ? undefined : timeOf(options.until)
  const pin = untilMs === undefined ? { prefix } : { prefix, untilMs }
  const found = await findBucket(run, bucket)
  // What lapsed makes room in the list.
  const others = pinsOf(found).filter((other) => other.prefix !== prefix && !hasLapsed(other))
  await setPins(run, found, [...others, pin])
  tell(run, { url: urlOf(found.address, prefix), done: `pinned ${untilText(pin)}` })
}

/** `forebay unpin URL`. */
export async function unpinPrefix(run: Run, url: string): Promise<void> {
  const { bucket, prefix } = prefixOf(url)
  const found = await findBucket(run, bucket)
  const pins = pinsOf(found)
  const left = pins.filter((pin) => pin.prefix !== prefix)
  if (left.length === pins.length) {
    throw usageError(`${url} is not pinned`, '"forebay pins" lists what is.')
  }
  await setPins(run, found, left)
  tell(run, { url: urlOf(found.address, prefix), done: 'unpinned' })
}

/** `forebay pins [URL]`: of one bucket, or of all. */
export async function listPins(run: Run, url: string | undefined): Promise<void> {
  const buckets =
    url === undefined
      ? await clientOf(run).buckets.list({ signal: run.context.signal })
      : [await findBucket(run, bucketOf(url))]
  const pins = buckets.flatMap((bucket) =>
    pinsOf(bucket).map((pin) => ({ ...pin, url: urlOf(bucket.address, pin.prefix) })),
  )
  if (run.options.json === true) {
    for (const { url: pinned, untilMs } of pins) {
      const until = untilMs === undefined ? undefined : new Date(untilMs).toISOString()
      print(run, JSON.stringify({ url: pinned, until }))
    }
    return
  }
  if (pins.length === 0) {
    note(run, 'nothing is pinned: "forebay pin s3://NAME/prefix/ --until 7d"')
    return
  }
  const rows = pins.map((pin) => [pin.url, untilText(pin)])
  for (const line of formatTable([{ head: 'PINNED' }, { head: 'HOW LONG' }], rows)) {
    print(run, line)
  }
}

function prefixOf(url: string): { readonly bucket: BucketAddress; readonly prefix: string } {
  const { bucket, key } = parseObjectUrl(url.includes('://') ? url : `fb://${url}`)
  return { bucket, prefix: key }
}

/** A time, or how long from now. */
function timeOf(text: string): number {
  try {
    return Date.now() + parseDuration(text)
  } catch (error) {
    if (!isFailure(error, 'argument-invalid')) throw error
  }
  const [pin] = parsed([{ prefix: '', until: text }], `--until ${text} is no time`)
  return pin?.untilMs ?? 0
}

function pinsOf({ properties }: BucketSummary): readonly PinnedPrefix[] {
  const written = properties['pins']
  return written === undefined ? [] : parsed(written, 'the node tells pins that are not known here')
}

function parsed(written: unknown, otherwise: string): readonly PinnedPrefix[] {
  try {
    return parseProperties({ pins: written }).pins ?? []
  } catch (error) {
    if (!isFailure(error, 'property-invalid')) throw error
    throw usageError(otherwise, 'Write a date, a time such as 2026-12-01T18:00, or 7d.')
  }
}

async function setPins(
  run: Run,
  { address }: BucketSummary,
  pins: readonly PinnedPrefix[],
): Promise<void> {
  await clientOf(run).buckets.set(address, formatProperties({ pins }), {
    signal: run.context.signal,
  })
}

function hasLapsed({ untilMs }: PinnedPrefix): boolean {
  return untilMs !== undefined && untilMs <= Date.now()
}

function untilText(pin: PinnedPrefix): string {
  if (pin.untilMs === undefined) return 'for ever'
  return `${hasLapsed(pin) ? 'lapsed at' : 'until'} ${timeText(pin.untilMs)}`
}

function urlOf(address: BucketAddress, prefix: string): string {
  const url = formatObjectUrl(address)
  return prefix === '' ? url : `${url.replace(/\/$/, '')}/${prefix}`
}

function tell(run: Run, told: { readonly url: string; readonly done: string }): void {
  if (run.options.json === true) print(run, JSON.stringify(told))
  else note(run, `${told.url}: ${told.done}`)
}
