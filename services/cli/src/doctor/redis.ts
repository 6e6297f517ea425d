import { join } from 'node:path'
import { Failure } from '@forebay/base/failure'
import type { Settings } from '@forebay/config/schema'
import type { RedisLook, RedisServerFacts } from '@forebay/jobs/bullmq/look-at-redis'
import { parseRedisUrl, type RedisAddress, type RedisTls } from '@forebay/jobs/bullmq/redis-address'
import { type Finding, ok, problem, warning } from './finding.ts'
import type { Machine } from './machine.ts'
import { SKEW_WARNING_MS, skewText } from './origins.ts'

/** Programs that `auto` starts. */
const PROGRAMS = ['valkey-server', 'redis-server'] as const

/** Share of its memory, 0..1, from which on it is worth a look: a full one takes no new jobs. */
const MEMORY_WARNING = 0.8

const KEEP = 'set "appendonly yes" in its configuration'

export interface RedisInput {
  readonly machine: Machine
  readonly settings: Settings
  /** `PATH` of a node that is started so. */
  readonly searchPath: string
}

/** Does the Redis that is to keep the jobs answer, and would it keep them? Nothing where none is set. */
export async function checkRedis(input: RedisInput): Promise<readonly Finding[]> {
  const { machine, settings } = input
  const url = settings.redisUrl
  if (url === undefined) return []
  if (url === 'auto') return [await findProgram(input)]
  try {
    const address = parseRedisUrl(url)
    const tls = address.tls === undefined ? undefined : await readTls(input)
    return judge(await machine.lookAtRedis({ ...address, tls }), address)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return [problem('redis', error.message, error.hint ?? 'correct the setting')]
  }
}

function judge(look: RedisLook, address: RedisAddress): readonly Finding[] {
  const { where } = look
  if (look.kind === 'silent') {
    const what = `${where} does not answer: ${look.reason}; jobs would wait for it`
    return [problem('redis', what, todoFor(look.reason, address))]
  }
  const { servers, tookMs } = look
  const [first] = servers
  if (first === undefined) {
    return [problem('redis', `${where} names no server that can be written to`, 'look at its set')]
  }
  const names = [...new Set(servers.map(({ product, version }) => `${product} ${version}`))]
  const count = servers.length === 1 ? '' : `, ${servers.length} servers`
  const told = `${where} answers: ${names.join(', ')}${count} (${Math.round(tookMs)} ms)`
  return [ok('redis', told), ...distinct(servers.flatMap(findingsOf)), clockFinding(look)]
}

function findingsOf(server: RedisServerFacts): readonly Finding[] {
  const { refused, isReplica } = server
  return [
    ...(refused === undefined ? [] : [problem('redis', refused.message, refused.hint)]),
    ...(isReplica
      ? [problem('redis', 'it is a replica, which takes no writes', 'name its master')]
      : []),
    durability(server),
    ...memory(server),
  ]
}

function durability(server: RedisServerFacts): Finding {
  const { writesLog, writesSnapshots, cannotWrite } = server
  if (cannotWrite) {
    return problem('redis', 'it cannot write to its disk', 'look at its log, and for room there')
  }
  if (writesLog) return ok('redis', 'it keeps on its disk what it is told')
  if (writesSnapshots === true) {
    return warning('redis', 'it keeps snapshots alone: a crash forgets the last minutes', KEEP)
  }
  const what =
    writesSnapshots === false
      ? 'it keeps nothing on its disk: jobs are lost when it is started again'
      : 'it does not say whether it keeps anything on its disk'
  return warning('redis', what, KEEP)
}

function memory({ usedBytes, maxBytes }: RedisServerFacts): readonly Finding[] {
  if (maxBytes === 0 || usedBytes < maxBytes * MEMORY_WARNING) return []
  const share = Math.round((usedBytes / maxBytes) * 100)
  const what = `${share} % of its memory is used; when it is full, it takes no new jobs`
  return [warning('redis', what, 'raise its maxmemory')]
}

function clockFinding(look: Extract<RedisLook, { kind: 'answered' }>): Finding {
  const skewMs = look.oursMs - look.theirsMs
  if (Math.abs(skewMs) < SKEW_WARNING_MS) return ok('clock', 'agrees with Redis')
  const what = `${skewText(skewMs, 'Redis')}; times of jobs and schedules are the nodes' own`
  return warning('clock', what, 'set the clock (timedatectl set-ntp true)')
}

function todoFor(reason: string, { tls, kind }: RedisAddress): string {
  if (/WRONGPASS|NOAUTH|invalid password/i.test(reason)) {
    return 'write the right user and password into redisUrl, percent-encoded'
  }
  if (/NOPERM/.test(reason)) return 'let the user of redisUrl run all commands on keys of Forebay'
  if (/ENOTFOUND|EAI_AGAIN/.test(reason)) return 'check the host name and DNS'
  if (/CERT|SELF_SIGNED|certificate/i.test(reason)) {
    return 'name the certificates that sign its own in redisTls.caFile'
  }
  if (/ECONNREFUSED/.test(reason)) return 'check the port, and that the server runs'
  if (kind === 'sentinel') return 'check that the Sentinels run, and the name of the master'
  return tls === undefined
    ? 'check the address and firewalls; a server that wants TLS is named by rediss://'
    : 'check the address and firewalls, and that the server speaks TLS'
}

async function readTls({ machine, settings }: RedisInput): Promise<RedisTls> {
  const { caFile, certFile, keyFile } = settings.redisTls
  const read = async (key: string, path: string | undefined): Promise<string | undefined> => {
    if (path === undefined) return undefined
    const pem = await machine.readText(path)
    if (pem !== undefined) return pem
    throw new Failure('setting-invalid', `redisTls.${key}: the file ${path} cannot be read`)
  }
  return {
    ca: await read('caFile', caFile),
    cert: await read('certFile', certFile),
    key: await read('keyFile', keyFile),
  }
}

async function findProgram({ machine, searchPath }: RedisInput): Promise<Finding> {
  for (const program of PROGRAMS) {
    for (const folder of searchPath.split(':')) {
      const facts = folder === '' ? undefined : await machine.look(join(folder, program))
      if (facts?.isDirectory === false) {
        return ok('redis', `a node would start ${join(folder, program)} for its jobs`)
      }
    }
  }
  return problem(
    'redis',
    `redisUrl is auto, and ${PROGRAMS.join(' or ')} is not on PATH`,
    'install Valkey, name a server in redisUrl, or leave it away: jobs are kept in the data directory',
  )
}

/** Servers of a cluster say the same, mostly. */
function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((finding) => [finding.message, finding])).values()]
}
