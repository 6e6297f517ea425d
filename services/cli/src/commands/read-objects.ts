import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createDigester } from '@forebay/base/hash/digester'
import { formatObjectUrl, type ObjectUrl, parseObjectUrl } from '@forebay/client/address'
import { ForebayError } from '@forebay/client/forebay-error'
import type { GetResult, ListedObject, ObjectInfo } from '@forebay/client/objects'
import { clientOf, note, print, type Run, writeBytes } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { Progress } from '../output/progress.ts'
import { formatPairs, printable } from '../output/table.ts'
import { sizeText, spanText, timeText, valueText } from '../output/values.ts'
import { listBuckets } from './bucket.ts'

export interface ListCommandOptions {
  readonly recursive?: boolean | undefined
  readonly cached?: boolean | undefined
}

/** `forebay ls [URL]`: buckets, or the names below a prefix, one line each as they come. */
export async function listObjects(
  run: Run,
  url: string | undefined,
  options: ListCommandOptions,
): Promise<void> {
  if (url === undefined) {
    await listBuckets(run)
    return
  }
  const { bucket, key } = parseObjectUrl(url)
  const objects = clientOf(run).objects.list(bucket, {
    prefix: key,
    flat: options.recursive !== true,
    cached: options.cached,
    signal: run.context.signal,
  })
  for await (const object of objects) {
    print(run, run.options.json === true ? JSON.stringify(object) : listLine(object))
  }
}

/** Widths fit for every size and time, so that lines can be written before the last is known. */
function listLine({ key, directory, sizeBytes, lastModified }: ListedObject): string {
  const size = directory ? 'DIR' : sizeText(sizeBytes)
  const time = directory ? '' : timeText(lastModified)
  return `${time.padEnd(19)}  ${size.padStart(9)}  ${printable(key)}`
}

export interface GetCommandOptions {
  readonly range?: string | undefined
  readonly latest?: boolean | undefined
}

/** `forebay get URL [FILE]`: into a file that appears only when it is whole; `-` is standard output. */
export async function getObject(
  run: Run,
  url: string,
  rest: { readonly file: string | undefined; readonly options: GetCommandOptions },
): Promise<void> {
  const object = objectOf(url)
  const { options } = rest
  const answer = await clientOf(run).objects.get(object, {
    range: options.range === undefined ? undefined : parseRange(options.range),
    latest: options.latest,
    signal: run.context.signal,
  })
  const check = options.range === undefined ? checkerOf(answer.info) : undefined
  if (rest.file === '-') {
    await receive({ run, url, answer, check }, (chunk) => writeBytes(run, chunk))
    return
  }
  const path = await filePath(rest.file, object.key)
  const partPath = `${path}.forebay-part`
  const file = await open(partPath, 'w')
  try {
    await receive({ run, url, answer, check }, async (chunk) => {
      await file.writeFile(chunk)
    })
    await file.close()
    await rename(partPath, path)
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(partPath, { force: true })
    throw error
  }
  const { info, lengthBytes } = answer
  if (run.options.json === true) {
    print(run, JSON.stringify({ url, file: path, bytes: lengthBytes, cache: info.cache }))
  } else note(run, `${url} -> ${path}: ${sizeText(lengthBytes)}, ${info.cache ?? 'no cache'}`)
}

/** `forebay cat URL...`: the bytes, one object after the other, to standard output. */
export async function catObjects(run: Run, urls: readonly string[]): Promise<void> {
  const client = clientOf(run)
  for (const url of urls) {
    const answer = await client.objects.get(objectOf(url), { signal: run.context.signal })
    const check = checkerOf(answer.info)
    const quiet: Run = { ...run, options: { ...run.options, quiet: true } }
    await receive({ run: quiet, url, answer, check }, (chunk) => writeBytes(run, chunk))
  }
}

/** `forebay head URL`: what is known of an object. */
export async function headObject(run: Run, url: string): Promise<void> {
  const info = await clientOf(run).objects.head(objectOf(url), { signal: run.context.signal })
  if (run.options.json === true) {
    print(run, JSON.stringify({ url, ...info }))
    return
  }
  const { cachedBytes, ageSeconds, checksum } = info
  const pairs: (readonly [string, string])[] = [
    ['object', url],
    ['size', `${sizeText(info.sizeBytes)} (${info.sizeBytes} bytes)`],
    ['cached', cachedBytes === undefined ? '-' : cachedText(cachedBytes, info.sizeBytes)],
    ['confirmed', ageSeconds === undefined ? '-' : `${spanText(ageSeconds)} ago`],
    ['modified', timeText(info.lastModified)],
    ['etag', valueText(info.etag)],
    ['version', valueText(info.version)],
    ['checksum', checksum === undefined ? '-' : `${checksum.type} ${checksum.value}`],
    ['location', valueText(info.location)],
    ...Object.entries(info.metadata).map(([name, value]) => [`  ${name}`, value] as const),
  ]
  for (const line of formatPairs(pairs)) print(run, line)
}

/** `forebay explain URL`: what the cache knows about an object, and why a read would go as it goes. */
export async function explainObject(run: Run, url: string): Promise<void> {
  const { state, fields, reasons } = await clientOf(run).objects.explain(objectOf(url), {
    signal: run.context.signal,
  })
  if (run.options.json === true) {
    print(run, JSON.stringify({ url, ...fields }))
    return
  }
  const told = new Set(['bucket', 'key', 'state', 'reasons'])
  const pairs = Object.entries(fields)
    .filter(([name]) => !told.has(name))
    .map(([name, value]) => [name, explainText(name, value)] as const)
  print(run, `${url} is ${state === 'absent' ? 'not in the cache' : state}`)
  for (const reason of reasons) print(run, `  - ${reason}`)
  for (const line of formatPairs(pairs)) print(run, `  ${line}`)
}

/** Where an object URL must name a key. */
export function objectOf(url: string): ObjectUrl {
  const parsed = parseObjectUrl(url)
  if (parsed.key === '') throw usageError(`${url} names a bucket, not an object`)
  return parsed
}

interface Reception {
  readonly run: Run
  readonly url: string
  readonly answer: GetResult
  readonly check: Checker | undefined
}

/** Takes the whole body, shows progress, and makes sure that it is whole and right. */
async function receive(
  { run, url, answer, check }: Reception,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  const progress = new Progress(run, { label: url, totalBytes: answer.lengthBytes })
  let seenBytes = 0
  try {
    for await (const chunk of answer.body) {
      seenBytes += chunk.byteLength
      await check?.update(chunk)
      await write(chunk)
      progress.add(chunk.byteLength)
    }
  } catch (cause) {
    run.context.signal.throwIfAborted()
    throw brokenOff(url, cause)
  } finally {
    progress.finish()
  }
  if (seenBytes !== answer.lengthBytes) throw brokenOff(url)
  await check?.verify(url)
}

function brokenOff(url: string, cause?: unknown): ForebayError {
  if (cause instanceof Error && 'syscall' in cause) throw cause
  return new ForebayError(`${url} broke off before its end`, {
    code: 'body-incomplete',
    status: 0,
    hint: 'Read it again; the log of the node has the reason.',
    retryable: true,
    cause,
  })
}

interface Checker {
  update(chunk: Uint8Array): void | Promise<void>
  verify(url: string): Promise<void>
}

/** AIStore's checksum types that cost little to compute. */
const CHECKED: ReadonlyMap<string, 'xxh64' | 'crc32c' | 'sha256'> = new Map([
  ['xxhash', 'xxh64'],
  ['xxhash2', 'xxh64'],
  ['crc32c', 'crc32c'],
  ['sha256', 'sha256'],
])

/** Compares bytes with the checksum that came ahead of them, where it is of a cheap kind. */
function checkerOf({ checksum }: ObjectInfo): Checker | undefined {
  const algorithm = checksum === undefined ? undefined : CHECKED.get(checksum.type)
  if (checksum === undefined || algorithm === undefined) return undefined
  const digester = createDigester([algorithm])
  return {
    update: (chunk) =>
      digester.update(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)),
    verify: async (url) => {
      const digests = await digester.digest()
      if (digests.get(algorithm) === checksum.value) return
      throw new ForebayError(`${url} arrived damaged: its ${checksum.type} is another one`, {
        code: 'digest-mismatch',
        status: 0,
        hint: 'Read it again; if it stays so, "forebay fsck" checks the node.',
        retryable: true,
      })
    },
  }
}

/** `a-b`, `a-`: first and last byte. */
function parseRange(text: string): readonly [number, number?] {
  const match = /^(\d{1,15})-(\d{0,15})$/.exec(text)
  if (match === null) throw usageError(`"${text}" is not a range`, 'Write FIRST-LAST or FIRST-.')
  const [, first = '', last = ''] = match
  return last === '' ? [Number(first)] : [Number(first), Number(last)]
}

/** The file to write: the one named, in the directory named, or the key's last part here. */
async function filePath(file: string | undefined, key: string): Promise<string> {
  const name = basename(key)
  if (file === undefined) return checkName(name)
  const found = await stat(file).catch(() => undefined)
  return found?.isDirectory() === true ? join(file, checkName(name)) : file
}

function checkName(name: string): string {
  if (name !== '' && name !== '.' && name !== '..') return name
  throw usageError('the object’s name is no file name', 'Name the file to write.')
}

function cachedText(cachedBytes: number, sizeBytes: number): string {
  if (cachedBytes === sizeBytes) return 'whole'
  return cachedBytes === 0 ? 'not at all' : `${sizeText(cachedBytes)} of ${sizeText(sizeBytes)}`
}

function explainText(name: string, value: unknown): string {
  if (typeof value !== 'number') return valueText(value)
  if (name.endsWith('Bytes')) return sizeText(value)
  if (name.endsWith('Ms')) return timeText(value)
  return name.endsWith('Seconds') ? spanText(value) : String(value)
}

/** The URL of a key in the bucket of another URL. */
export function urlOf(url: ObjectUrl, key: string): string {
  return formatObjectUrl(url.bucket, key)
}
