import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { PUMP_SLICE_BYTES } from '@forebay/base/limits'
import { type ObjectUrl, parseObjectUrl } from '@forebay/client/address'
import { ForebayError } from '@forebay/client/forebay-error'
import type { StreamBody } from '@forebay/client/transport'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { Progress } from '../output/progress.ts'
import { sizeText } from '../output/values.ts'
import { objectOf, urlOf } from './read-objects.ts'

/** Requests in flight when many objects are removed or evicted. */
const CONCURRENCY = 16

/** `forebay put FILE URL`: stores a file, or standard input for `-`. */
export async function putObject(run: Run, path: string, url: string): Promise<void> {
  const parsed = parseObjectUrl(url)
  const isFolder = parsed.key === '' || parsed.key.endsWith('/')
  if (isFolder && path === '-') throw usageError(`${url} names no object`, 'Add a key.')
  const key = isFolder ? `${parsed.key}${basename(path)}` : parsed.key
  const source = path === '-' ? standardInput() : await fileSource(path)
  const wholeUrl = urlOf(parsed, key)
  const progress = new Progress(run, { label: wholeUrl, totalBytes: source.lengthBytes })
  let sentBytes = 0
  const body: StreamBody = {
    lengthBytes: source.lengthBytes,
    open: () => {
      sentBytes = 0
      return ReadableStream.from(
        counted(source.chunks(), (bytes) => {
          sentBytes += bytes
          progress.add(bytes)
        }),
      )
    },
  }
  try {
    await clientOf(run).objects.put({ bucket: parsed.bucket, key }, body, {
      signal: run.context.signal,
    })
  } finally {
    progress.finish()
  }
  if (run.options.json === true) print(run, JSON.stringify({ url: wholeUrl, bytes: sentBytes }))
  else note(run, `${path} -> ${wholeUrl}: ${sizeText(sentBytes)}`)
}

export interface ManyOptions {
  readonly recursive?: boolean | undefined
  readonly yes?: boolean | undefined
}

/** `forebay rm URL...`: deletes objects, at the store behind the bucket too. */
export async function removeObjects(
  run: Run,
  urls: readonly string[],
  options: ManyOptions,
): Promise<void> {
  if (options.recursive === true && options.yes !== true) {
    throw usageError('rm --recursive deletes everything below the URL', 'Add --yes to do it.')
  }
  const { objects } = clientOf(run)
  const { signal } = run.context
  await forEach(run, urls, {
    recursive: options.recursive === true,
    cached: false,
    act: (object) => objects.delete(object, { signal }),
    done: 'deleted',
  })
}

/** `forebay evict URL...`: drops cached copies; the store keeps the objects. */
export async function evictObjects(
  run: Run,
  urls: readonly string[],
  options: ManyOptions,
): Promise<void> {
  const { objects } = clientOf(run)
  const { signal } = run.context
  await forEach(run, urls, {
    recursive: options.recursive === true,
    cached: true,
    act: (object) => objects.evict(object, { signal }),
    done: 'evicted',
  })
}

interface Deed {
  readonly recursive: boolean
  /** Of a prefix, take only what is in the cache. */
  readonly cached: boolean
  readonly act: (object: ObjectUrl) => Promise<void>
  readonly done: string
}

/** Does it to every object, several at a time; goes on after failures and tells the first at the end. */
async function forEach(run: Run, urls: readonly string[], deed: Deed): Promise<void> {
  const failures: unknown[] = []
  let count = 0
  const running = new Set<Promise<void>>()
  for await (const object of objectsOf(run, urls, deed)) {
    const url = urlOf(object, object.key)
    const one = deed.act(object).then(
      () => {
        count += 1
        if (run.options.json === true) print(run, JSON.stringify({ url, done: deed.done }))
        else note(run, `${url}: ${deed.done}`)
      },
      (error: unknown) => {
        failures.push(error)
      },
    )
    const tracked = one.finally(() => running.delete(tracked))
    running.add(tracked)
    if (running.size >= CONCURRENCY) await Promise.race(running)
  }
  await Promise.all(running)
  run.context.signal.throwIfAborted()
  const [first] = failures
  if (first === undefined) {
    if (deed.recursive) note(run, `${count} ${deed.done}`)
    return
  }
  if (failures.length === 1) throw first
  const { message, code, status } =
    first instanceof ForebayError ? first : { message: String(first), code: 'failed', status: 0 }
  throw new ForebayError(
    `${failures.length} failed, ${count} ${deed.done}; the first failure: ${message}`,
    { code, status, retryable: false, cause: first },
  )
}

async function* objectsOf(
  run: Run,
  urls: readonly string[],
  deed: Deed,
): AsyncGenerator<ObjectUrl> {
  const { objects } = clientOf(run)
  for (const url of urls) {
    if (!deed.recursive) {
      yield objectOf(url)
      continue
    }
    const { bucket, key } = parseObjectUrl(url)
    const listed = objects.list(bucket, {
      prefix: key,
      cached: deed.cached,
      signal: run.context.signal,
    })
    for await (const { key: name } of listed) yield { bucket, key: name }
  }
}

/** Bytes to send; `chunks` may be called again for a redirect. */
interface Source {
  readonly lengthBytes: number | undefined
  chunks(): AsyncIterable<Uint8Array>
}

async function fileSource(path: string): Promise<Source> {
  const found = await stat(path)
  if (found.isDirectory()) {
    throw usageError(`${path} is a directory`, 'Put its files one by one, or use an S3 client.')
  }
  // A pipe or device has no size that could be told ahead.
  const lengthBytes = found.isFile() ? found.size : undefined
  return { lengthBytes, chunks: () => readFileSlices(path) }
}

function standardInput(): Source {
  return { lengthBytes: undefined, chunks: () => process.stdin }
}

async function* readFileSlices(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path)
  try {
    for (;;) {
      const slice = Buffer.allocUnsafe(PUMP_SLICE_BYTES)
      const { bytesRead } = await file.read(slice, 0, slice.length)
      if (bytesRead === 0) return
      yield slice.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes(chunk.byteLength)
    yield chunk
  }
}
