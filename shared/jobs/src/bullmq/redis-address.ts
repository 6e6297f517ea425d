import { Failure } from '@forebay/base/failure'

/** One place where a server listens. */
export interface RedisHost {
  readonly host: string
  readonly port: number
}

/** How a server that speaks TLS is trusted; absent parts are the system's. */
export interface RedisTls {
  /** Certificates, PEM, that sign the server's. */
  readonly ca?: string | undefined
  /** Certificate and key of this client, PEM. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** Where Redis or Valkey is, and how one enters. Never written as it is: `describeRedis` says it. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  /** One of a single server; Sentinels; nodes of a cluster to begin with. */
  readonly hosts: readonly RedisHost[]
  /** What the Sentinels call the set of servers. */
  readonly masterName?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly sentinelPassword?: string | undefined
  readonly database: number
  readonly tls?: RedisTls | undefined
}

export const REDIS_PORT = 6379
export const SENTINEL_PORT = 26_379

/** Servers that one URL may name. */
export const REDIS_HOSTS_MAX = 32

const URL_FORM =
  /^(redis|rediss)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?$/

/**
 * Reads `redis[s]://[user:password@]host[:port][/database]`, `redis[s]+sentinel://host:port,.../master`
 * and `redis[s]+cluster://host:port,...`. User and password are percent-encoded; those of a Sentinel
 * URL are the servers'.
 *
 * @throws Failure `setting-invalid`, without the URL: it may hold a password
 */
export function parseRedisUrl(url: string): RedisAddress {
  const match = URL_FORM.exec(url.trim())
  if (match === null) throw badUrl('it is not of a form that is known')
  const [, scheme, form, login, hosts = '', path = ''] = match
  const kind = form === 'sentinel' || form === 'cluster' ? form : 'single'
  const parsed = {
    kind,
    hosts: parseHosts(hosts, kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT),
    ...parseLogin(login),
    ...(scheme === 'rediss' ? { tls: {} } : {}),
  } as const
  if (kind === 'single' && parsed.hosts.length > 1) throw badUrl('it names several servers')
  if (kind === 'sentinel') {
    if (!/^[A-Za-z0-9._-]+(\/\d+)?$/.test(path)) throw badUrl('the name of the master is missing')
    const [masterName = '', database = '0'] = path.split('/')
    return { ...parsed, masterName, database: parseDatabase(database) }
  }
  if (kind === 'cluster' && path !== '') throw badUrl('a cluster has no databases')
  return { ...parsed, database: parseDatabase(path === '' ? '0' : path) }
}

/** The address for people and logs: no user, no password. */
export function describeRedis({ kind, hosts, masterName, tls }: RedisAddress): string {
  const scheme = `${tls === undefined ? 'redis' : 'rediss'}${kind === 'single' ? '' : `+${kind}`}`
  const where = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  return `${scheme}://${where.join(',')}${masterName === undefined ? '' : `/${masterName}`}`
}

function parseHosts(text: string, defaultPort: number): readonly RedisHost[] {
  const parts = text.split(',')
  if (parts.length > REDIS_HOSTS_MAX) throw badUrl(`it names more than ${REDIS_HOSTS_MAX} servers`)
  return parts.map((part) => {
    const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(part)
    const host = match?.[1] ?? match?.[2]
    const port = Number(match?.[3] ?? defaultPort)
    if (host === undefined) throw badUrl('a host is not a name or an address')
    if (port < 1 || port > 65_535) throw badUrl(`${port} is no port`)
    return { host, port }
  })
}

function parseLogin(text: string | undefined): Pick<RedisAddress, 'username' | 'password'> {
  if (text === undefined || text === '') return {}
  const colon = text.indexOf(':')
  const username = decode(colon === -1 ? text : text.slice(0, colon))
  const password = colon === -1 ? undefined : decode(text.slice(colon + 1))
  return { ...(username === '' ? {} : { username }), password }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new Failure('setting-invalid', 'the URL of Redis: its password is not percent-encoded', {
      cause,
    })
  }
}

function parseDatabase(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw badUrl('its database is not a number')
  return Number(text)
}

function badUrl(why: string): Failure {
  return new Failure('setting-invalid', `the URL of Redis: ${why}`, {
    hint: 'Write redis://host:6379, rediss://:password@host:6379/0, redis+sentinel://a:26379,b:26379/mymaster or redis+cluster://a:6379,b:6379.',
  })
}
