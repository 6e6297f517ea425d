import { systemClock } from '@forebay/base/clock'
import { lookAtRedis, type RedisLook } from '@forebay/jobs/bullmq/look-at-redis'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../testkit/redis-servers.ts'
import { freePort, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'

const PASSWORD = 'not to be told'

const look = (url: string): Promise<RedisLook> => lookAtRedis(parseRedisUrl(url), systemClock)

describe.skipIf(isLeftOut('valkey'))('a look at a Valkey', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: RedisServer
  beforeAll(async () => {
    folder = await temporaryFolder('look-at-redis')
    server = await startRedis({ folder: folder.path, password: PASSWORD })
  })
  afterAll(async () => {
    await server.kill9()
    await folder.remove()
  })

  test('tells how it is set and what its clock says', async () => {
    const seen = await look(server.redisUrl)
    if (seen.kind !== 'answered') throw new Error(seen.reason)
    expect(seen.servers).toMatchObject([
      {
        ...{ product: 'Valkey', isReplica: false, cannotWrite: false, maxBytes: 0 },
        ...{ writesLog: true, writesSnapshots: false, refused: undefined },
      },
    ])
    expect(Math.abs(seen.oursMs - seen.theirsMs)).toBeLessThan(60_000)
    await server.ask('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    await server.ask('CONFIG', 'SET', 'save', '60 1')
    await server.ask('CONFIG', 'SET', 'appendonly', 'no')
    const again = await look(server.redisUrl)
    if (again.kind !== 'answered') throw new Error(again.reason)
    expect(again.servers).toMatchObject([{ writesLog: false, writesSnapshots: true }])
    expect(again.servers[0]?.refused?.message).toContain('allkeys-lru')
  })

  test('says why there is no answer, and never the password', async () => {
    const login = `:${encodeURIComponent(PASSWORD)}@`
    const [wrong, none, gone] = await Promise.all([
      look(`redis://:wrong@127.0.0.1:${server.port}`),
      look(`redis://127.0.0.1:${server.port}`),
      look(`redis://${login}127.0.0.1:${await freePort()}`),
    ])
    expect(wrong).toMatchObject({ kind: 'silent', reason: expect.stringContaining('WRONGPASS') })
    expect(none).toMatchObject({ kind: 'silent', reason: expect.stringContaining('NOAUTH') })
    expect(gone).toMatchObject({ kind: 'silent', reason: expect.stringContaining('ECONNREFUSED') })
    expect(JSON.stringify([wrong, none, gone])).not.toMatch(/not to be told|wrong@/)
  })
})
