import type { Clock } from '@forebay/base/clock'
import { isFailure } from '@forebay/base/failure'
import { asList } from './codec.ts'
import { RedisLink } from './link.ts'
import { describeRedis, type RedisAddress } from './redis-address.ts'
import { fieldOf, serverTrouble } from './server-check.ts'

/** One server that can be written to, as it says itself. */
export interface RedisServerFacts {
  /** `Valkey` or `Redis`. */
  readonly product: string
  readonly version: string
  /** Why Forebay refuses it, and what to do: too old, or allowed to evict keys. */
  readonly refused?: { readonly message: string; readonly hint: string } | undefined
  readonly isReplica: boolean
  /** Every change is on its disk within a second or so. */
  readonly writesLog: boolean
  /** It writes snapshots now and then; undefined where it does not tell. */
  readonly writesSnapshots: boolean | undefined
  /** The last time that it wrote either failed. */
  readonly cannotWrite: boolean
  readonly usedBytes: number
  /** 0: no bound. */
  readonly maxBytes: number
}

/** What a look at a Redis came to. Neither user nor password is in it. */
export type RedisLook =
  | {
      readonly kind: 'answered'
      readonly where: string
      /** Several in a cluster. */
      readonly servers: readonly RedisServerFacts[]
      /** Its clock, ms since 1970. */
      readonly theirsMs: number
      /** Ours in the middle of the exchange that told of it. */
      readonly oursMs: number
      readonly tookMs: number
    }
  | { readonly kind: 'silent'; readonly where: string; readonly reason: string }

/** Longest wait for its answers. */
const LOOK_TIMEOUT_MS = 3000

/** Asks a Redis or Valkey how it is set, over a connection of its own; changes nothing there. */
export async function lookAtRedis(address: RedisAddress, clock: Clock): Promise<RedisLook> {
  const where = describeRedis(address)
  const link = new RedisLink({
    address,
    clock,
    prefix: '{forebay}',
    callTimeoutMs: LOOK_TIMEOUT_MS,
  })
  try {
    const infos = await link.infos()
    const snapshots = await snapshotsOf(link)
    const beganAt = clock.monotonic()
    const theirsMs = await link.serverMs()
    const tookMs = clock.monotonic() - beganAt
    return {
      kind: 'answered',
      where,
      servers: infos.map((info) => factsOf(info, { where, snapshots })),
      theirsMs,
      oursMs: clock.now() - tookMs / 2,
      tookMs,
    }
  } catch (error) {
    if (!isFailure(error)) throw error
    return { kind: 'silent', where, reason: error.message.replace(`Redis at ${where}: `, '') }
  } finally {
    link.close()
  }
}

/** Servers of others often refuse CONFIG. */
async function snapshotsOf(link: RedisLink): Promise<boolean | undefined> {
  try {
    const [, rule] = asList(await link.command('config', ['get', 'save']))
    return typeof rule === 'string' ? rule !== '' : undefined
  } catch {
    return undefined
  }
}

function factsOf(
  info: string,
  { where, snapshots }: { readonly where: string; readonly snapshots: boolean | undefined },
): RedisServerFacts {
  const valkey = fieldOf(info, 'valkey_version')
  const trouble = serverTrouble(info, where)
  const statuses = ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status']
  return {
    product: valkey === undefined ? 'Redis' : 'Valkey',
    version: valkey ?? fieldOf(info, 'redis_version') ?? 'unknown',
    refused: trouble,
    isReplica: fieldOf(info, 'role') === 'slave',
    writesLog: fieldOf(info, 'aof_enabled') === '1',
    writesSnapshots: snapshots,
    cannotWrite: statuses.some((name) => fieldOf(info, name) === 'err'),
    usedBytes: Number(fieldOf(info, 'used_memory') ?? 0),
    maxBytes: Number(fieldOf(info, 'maxmemory') ?? 0),
  }
}
