import { loadSettings } from '@forebay/config/load'
import type { RedisLook, RedisServerFacts } from '@forebay/jobs/bullmq/look-at-redis'
import type { RedisAddress } from '@forebay/jobs/bullmq/redis-address'
import { expect, test } from 'vitest'
import { type Machine, systemMachine } from './machine.ts'
import { checkRedis } from './redis.ts'

const SERVER: RedisServerFacts = {
  product: 'Valkey',
  version: '9.0.1',
  isReplica: false,
  writesLog: true,
  writesSnapshots: true,
  cannotWrite: false,
  usedBytes: 10,
  maxBytes: 0,
}

const WHERE = 'redis://cache.example.org:6379'

function answered(
  servers: readonly Partial<RedisServerFacts>[],
  clocks: { readonly theirsMs: number; readonly oursMs: number } = { theirsMs: 0, oursMs: 0 },
): RedisLook {
  const facts = servers.map((server) => ({ ...SERVER, ...server }))
  return { kind: 'answered', where: WHERE, servers: facts, tookMs: 1.4, ...clocks }
}

interface Situation {
  readonly url: string
  readonly look?: RedisLook
  readonly machine?: Partial<Machine>
  readonly caFile?: string
}

const asked: RedisAddress[] = []

/** `level message` of each finding. */
async function found({ url, look, machine, caFile }: Situation): Promise<readonly string[]> {
  const variables = {
    FOREBAY_REDIS_URL: url,
    ...(caFile === undefined ? {} : { FOREBAY_REDIS_TLS__CA_FILE: caFile }),
  }
  const { settings } = await loadSettings({
    flags: {},
    environment: { variables, home: '/home/somebody' },
    readFile: async () => undefined,
  })
  const lookAtRedis = async (address: RedisAddress): Promise<RedisLook> => {
    asked.push(address)
    return look ?? answered([{}])
  }
  const findings = await checkRedis({
    machine: { ...systemMachine, lookAtRedis, ...machine },
    settings,
    searchPath: '/opt/bin::/usr/bin',
  })
  for (const { level, todo } of findings) {
    expect(todo !== undefined).toBe(level === 'warning' || level === 'problem')
  }
  return findings.map(({ level, check, message }) => `${level} ${check}: ${message}`)
}

test('a Redis that keeps what it is told has nothing to complain of', async () => {
  expect(await found({ url: 'redis://:secret@cache.example.org:6379' })).toEqual([
    `ok redis: ${WHERE} answers: Valkey 9.0.1 (1 ms)`,
    'ok redis: it keeps on its disk what it is told',
    'ok clock: agrees with Redis',
  ])
  expect(asked.at(-1)).toMatchObject({ password: 'secret' })
})

test('servers of a cluster that say the same are told of once', async () => {
  const findings = await found({ url: 'redis+cluster://a,b', look: answered([{}, {}, {}]) })
  expect(findings).toHaveLength(3)
  expect(findings[0]).toContain('Valkey 9.0.1, 3 servers')
})

test.each([
  [{ writesLog: false }, 'warning redis: it keeps snapshots alone'],
  [{ writesLog: false, writesSnapshots: false }, 'warning redis: it keeps nothing on its disk'],
  [{ writesLog: false, writesSnapshots: undefined }, 'warning redis: it does not say'],
  [{ cannotWrite: true }, 'problem redis: it cannot write to its disk'],
  [{ isReplica: true }, 'problem redis: it is a replica'],
  [{ usedBytes: 80, maxBytes: 100 }, 'warning redis: 80 % of its memory is used'],
  [
    { refused: { message: 'its maxmemory-policy is x', hint: 'y' } },
    'problem redis: its maxmemory',
  ],
])('what would lose jobs is told, with what to do: %j', async (server, told) => {
  const findings = await found({ url: 'redis://a', look: answered([server]) })
  expect(findings.filter((line) => line.startsWith(told))).toHaveLength(1)
})

test('memory that is used to less than four fifths is left alone', async () => {
  const look = answered([{ usedBytes: 79, maxBytes: 100 }])
  expect(
    (await found({ url: 'redis://a', look })).filter((line) => !line.startsWith('ok')),
  ).toEqual([])
})

test('a clock that differs by half a minute is worth a look', async () => {
  const look = (oursMs: number) => answered([{}], { theirsMs: 1_000_000, oursMs })
  expect(await found({ url: 'redis://a', look: look(1_029_999) })).toContain(
    'ok clock: agrees with Redis',
  )
  const behind = await found({ url: 'redis://a', look: look(970_000) })
  expect(behind.at(-1)).toMatch(/^warning clock: this machine's clock is 30 s behind that of Redis/)
})

test('one that does not answer is a problem, and its password is in no message', async () => {
  const look: RedisLook = { kind: 'silent', where: WHERE, reason: 'connect ECONNREFUSED' }
  const findings = await found({ url: 'redis://me:pass%40word@cache.example.org', look })
  expect(findings).toEqual([
    `problem redis: ${WHERE} does not answer: connect ECONNREFUSED; jobs would wait for it`,
  ])
})

test('certificates that cannot be read are told of before anything is asked', async () => {
  const before = asked.length
  const findings = await found({ url: 'rediss://a', caFile: '/nowhere/ca.pem' })
  expect(findings).toEqual([
    'problem redis: redisTls.caFile: the file /nowhere/ca.pem cannot be read',
  ])
  expect(asked).toHaveLength(before)
})

test('auto names the program that would be started, or says that there is none', async () => {
  const file = { ...(await systemMachine.look('/')), isDirectory: false }
  const look = async (path: string) =>
    path === '/usr/bin/redis-server' ? { ...EMPTY, ...file } : undefined
  expect(await found({ url: 'auto', machine: { look } })).toEqual([
    'ok redis: a node would start /usr/bin/redis-server for its jobs',
  ])
  const none = { look: async () => undefined }
  expect(await found({ url: 'auto', machine: none })).toEqual([
    'problem redis: redisUrl is auto, and valkey-server or redis-server is not on PATH',
  ])
})

const EMPTY = {
  isDirectory: false,
  writable: false,
  device: 0,
  fileSystem: 'ext4',
  rotational: undefined,
  totalBytes: 0,
  freeBytes: 0,
  freeFiles: 0,
}
