import { Failure } from '@forebay/base/failure'
import type { ItemFailure, JobItem, JobPage, JobRecord, PageOutcome } from '../job.ts'
import { NOTHING_SETTLED } from '../outcome.ts'
import { packItems, unpackItems } from '../packed-items.ts'
import { readFailure, readOutcome, readRecord } from '../stored.ts'

/** What Redis says of a job besides its order: fields and values. */
export type JobFields = ReadonlyMap<string, string>

/** An array that a script answered; its parts are looked at one by one. */
export function asList(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}

export function asText(reply: unknown): string {
  if (typeof reply === 'string') return reply
  return typeof reply === 'number' ? String(reply) : ''
}

/** A flat list of fields and values, or the object that ioredis makes of one for some commands. */
export function asFields(reply: unknown): JobFields {
  const isObject = typeof reply === 'object' && reply !== null && !Array.isArray(reply)
  const list = isObject ? Object.entries(reply).flat() : asList(reply)
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < list.length; at += 2) fields.set(asText(list[at]), asText(list[at + 1]))
  return fields
}

/** What of a record never changes, as it is kept. */
export function encodeOrder(record: JobRecord): string {
  const { id, kind, bucket, args, description, user, priority, limits, scheduleId } = record
  return JSON.stringify({
    id,
    kind,
    bucket,
    args,
    description,
    user,
    priority,
    limits,
    scheduleId,
  })
}

/** The fields that say how far a job is. */
export function encodeState(record: JobRecord): readonly string[] {
  const { state, createdMs, startedMs, endedMs, attempt, listing, counters, error, result } = record
  const optional: readonly (readonly [string, string | undefined])[] = [
    ['started', startedMs?.toString()],
    ['ended', endedMs?.toString()],
    ['error', error],
    ['result', result === undefined ? undefined : JSON.stringify(result)],
  ]
  return [
    ...['state', state, 'created', String(createdMs), 'attempt', String(attempt)],
    ...['items', String(listing.items), 'ibytes', String(listing.bytes)],
    ...['pages', String(listing.pages), 'complete', listing.complete ? '1' : '0'],
    ...['done', String(counters.done), 'skipped', String(counters.skipped)],
    ...['failed', String(counters.failed), 'bytes', String(counters.bytes)],
    ...optional.flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
  ]
}

/** @throws Failure `internal` where somebody else wrote what stands there */
export function decodeRecord(id: string, order: string, fields: JobFields): JobRecord {
  const count = (name: string): number => Number(fields.get(name) ?? Number.NaN)
  const optional = (name: string): number | undefined =>
    fields.has(name) ? count(name) : undefined
  const result = fields.get('result')
  const read = readRecord({
    ...parseObject(order),
    id,
    state: fields.get('state'),
    createdMs: count('created'),
    ...dropAbsent({
      startedMs: optional('started'),
      endedMs: optional('ended'),
      error: fields.get('error'),
      result: result === undefined ? undefined : parseJson(result),
    }),
    attempt: count('attempt'),
    listing: {
      items: count('items'),
      bytes: count('ibytes'),
      pages: count('pages'),
      complete: fields.get('complete') === '1',
    },
    counters: {
      done: count('done'),
      skipped: count('skipped'),
      failed: count('failed'),
      bytes: count('bytes'),
    },
  })
  if (read === undefined) throw damaged(id, 'record')
  return read
}

/** The items of a page, as they are kept. */
export function encodeItems(items: readonly JobItem[]): string {
  return JSON.stringify(packItems(items))
}

/** @throws Failure `internal` */
export function decodeItems(id: string, text: string): readonly JobItem[] {
  return unpackItems(parseJson(text)) ?? fail(damaged(id, 'page'))
}

/** What an earlier delivery of a page left: `undefined` for nothing. @throws Failure `internal` */
export function decodeSaved(
  id: string,
  { saved, failures }: { readonly saved: string; readonly failures: string },
): PageOutcome | undefined {
  if (saved === '') return undefined
  const outcome = readOutcome({
    ...NOTHING_SETTLED,
    ...parseObject(saved),
    failures: decodeFailures(id, failures),
  })
  return outcome ?? fail(damaged(id, 'page'))
}

/** @throws Failure `internal` */
export function decodeFailures(id: string, text: string): readonly ItemFailure[] {
  const list = text === '' ? [] : parseJson(text)
  if (!Array.isArray(list)) throw damaged(id, 'list of failures')
  return list.map((value: unknown) => readFailure(value) ?? fail(damaged(id, 'list of failures')))
}

/** What is saved of an outcome: its failures stand apart. */
export function encodeSaved(outcome: PageOutcome): string {
  const { settled, done, skipped, bytes, underWayBytes } = outcome
  return JSON.stringify({ settled, done, skipped, bytes, underWayBytes })
}

/** Items of a page that an attempt left: not settled, or failed; in the order of the page. */
export function itemsLeft(
  page: Pick<JobPage, 'items'>,
  { settled, failures }: PageOutcome,
): readonly JobItem[] {
  const failed = new Set(failures.map(({ key }) => key))
  const through = new Set(settled)
  return page.items.filter((item, at) => !through.has(at) || failed.has(item.key))
}

/** `undefined` for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parseObject(text: string): object {
  const value = parseJson(text)
  return typeof value === 'object' && value !== null ? value : {}
}

function dropAbsent(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function damaged(id: string, what: string): Failure {
  return new Failure('internal', `the ${what} of job ${id} is damaged in Redis`, {
    hint: 'Nothing but Forebay may write to its keys. Start the job again.',
  })
}

function fail(failure: Failure): never {
  throw failure
}
