/** What the measurements of cold reads share: a node before an origin, and one way to read. */
import { join } from 'node:path'
import { ForebayClient } from '@forebay/client/client'
import { startForebay } from '../testkit/servers.ts'
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import { COLD_BUCKET, type ColdStore } from './cold-stores.ts'
import { BENCH_KEYS, type Contender, prepare } from './contenders.ts'
import { type LoadResult, runLoad } from './load.ts'
import { REGION, type Request } from './requests.ts'
import type { Throttle } from './throttle.ts'

export const MIB = 1024 ** 2

/** Forebay in front of an origin, with that origin's credentials. */
export async function startForebayBefore(
  context: BenchContext,
  options: {
    readonly name: string
    readonly endpoint: string
    readonly config?: Readonly<Record<string, unknown>>
  },
): Promise<Contender> {
  const server = await context.own(
    startForebay({
      dataDir: join(context.folder, options.name),
      config: {
        ...options.config,
        backends: { aws: { endpoint: options.endpoint, region: REGION } },
      },
      env: {
        AWS_ACCESS_KEY_ID: BENCH_KEYS.accessKey,
        AWS_SECRET_ACCESS_KEY: BENCH_KEYS.secretKey,
      },
      signal: context.signal,
    }),
  )
  return { name: options.name, server, credentials: undefined }
}

/** The origin as it is seen through the relay. */
export function relayed(origin: Contender, throttle: Throttle): Contender {
  const server = { ...origin.server, port: throttle.port, url: throttle.url }
  return { ...origin, name: 'relayed', server }
}

export function read(
  context: BenchContext,
  contender: Contender,
  part: { readonly name: string; readonly targets: readonly string[] },
): Promise<LoadResult> {
  const list = part.targets.map((target) => ({ method: 'GET' as const, target }))
  return load(context, contender, { name: part.name, list })
}

export async function load(
  context: BenchContext,
  contender: Contender,
  part: {
    readonly name: string
    readonly list: readonly Request[]
    readonly connections?: number
    readonly count?: number
  },
): Promise<LoadResult> {
  context.say(`cold: ${part.name} at ${contender.name}`)
  return runLoad({
    client: context.client,
    port: contender.server.port,
    requests: await prepare(context, contender, part),
    connections: part.connections ?? 1,
    count: part.count ?? part.list.length,
    anyCore: true,
    signal: context.signal,
  })
}

export function rateOf(result: LoadResult): number {
  return result.bytes / MIB / result.seconds
}

export function ms(what: string, us: number): Figure {
  return { what, value: us / 1000, unit: 'ms' }
}

/** A node before the store, which has the bucket and has read one object of it. */
export async function startNode(
  context: BenchContext,
  store: ColdStore,
  options: {
    readonly name: string
    readonly url: string
    readonly env?: Readonly<Record<string, string>>
    /** Checkout of the program; absent: this one. */
    readonly root?: string | undefined
  },
): Promise<Contender> {
  const env = {
    AWS_ACCESS_KEY_ID: BENCH_KEYS.accessKey,
    AWS_SECRET_ACCESS_KEY: BENCH_KEYS.secretKey,
    ...options.env,
  }
  const server = await context.own(
    startForebay({
      dataDir: join(context.folder, options.name),
      config: store.settings(options.url),
      env,
      root: options.root,
      signal: context.signal,
    }),
  )
  const forebay: Contender = { name: options.name, server, credentials: undefined }
  await store.addBucket(new ForebayClient({ endpoint: server.url }), options.url)
  await store.put('first', Buffer.from('first'))
  await read(context, forebay, { name: 'first', targets: [`/${COLD_BUCKET}/first`] })
  return forebay
}

/** Writes to a store at once. */
const PUTS_AT_ONCE = 4

export async function putAll(
  store: ColdStore,
  keys: readonly string[],
  sizeBytes: number,
): Promise<void> {
  const bytes = Buffer.alloc(sizeBytes, 'forebay cold ')
  const queue = keys.values()
  const work = async (): Promise<void> => {
    for (const key of queue) await store.put(key, bytes)
  }
  await Promise.all(Array.from({ length: PUTS_AT_ONCE }, work))
}
