import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { systemClock } from '@forebay/base/clock'
import { BullmqEngine } from '@forebay/jobs/bullmq/bullmq-engine'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import { ended, ORDER, startNode, told, until, World } from '@forebay/jobs/conformance/world'
import type { JobRecord } from '@forebay/jobs/job'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type RedisOptions,
  type RedisServer,
  startRedis,
  startSentinelSet,
} from '../testkit/redis-servers.ts'
import { runCommand } from '../testkit/run-command.ts'
import { freePort, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'
import { redisHarness } from './redis-harness.ts'

/** Items that are done while something happens: about three seconds. */
const ITEMS = 2000
const PAGES_AT_ONCE = 4

/** What may be done again after Redis came back: what was under way in four pages, and a little. */
const TWICE_MAX = 20

let folder: { readonly path: string; readonly remove: () => Promise<void> }
const closers: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  folder = await temporaryFolder('redis-faults')
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await folder.remove()
})

async function redis(options: Partial<RedisOptions> = {}): Promise<RedisServer> {
  const server = await startRedis({ folder: join(folder.path, 'redis'), ...options })
  closers.push(() => server.kill9())
  return server
}

async function store(redisUrl: string) {
  const ask = () => Promise.reject(new Error('nothing is spoilt here'))
  const place = { redisUrl, folder: folder.path, ask }
  const opened = await redisHarness('faults', () => place).openStore()
  closers.push(() => opened.close())
  return opened
}

/** Says of every command that it does not know it, and what it was, as a proxy may. @returns its port */
async function quotingServer(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      for (const [command] of chunk.toString().matchAll(/\*\d+\r\n(?:\$\d+\r\n[^\r]*\r\n)+/g)) {
        const words = command.split('\r\n').filter((_, at) => at % 2 === 0)
        socket.write(`-ERR unknown command, with args beginning with: ${words.join(' ')}\r\n`)
      }
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  closers.push(async () => void server.close())
  return port
}

/** A world in which each item takes a little. */
function slowWorld(items = ITEMS): World {
  const options = { items, step: 100, pagesAtOnce: PAGES_AT_ONCE }
  const world = new World(systemClock, options)
  world.onItem = () => systemClock.sleep(5)
  return world
}

function expectWhole(world: World, job: JobRecord): void {
  expect([job.state, job.listing.items, job.listing.complete]).toEqual(['finished', ITEMS, true])
  expect(job.counters).toEqual({ done: ITEMS, skipped: 0, failed: 0, bytes: 3 * ITEMS })
  const effects = world.effectsOf(job.id)
  expect(effects.filter((count) => count === 0)).toEqual([])
  expect(effects.filter((count) => count > 1).length).toBeLessThanOrEqual(TWICE_MAX)
}

describe.skipIf(isLeftOut('valkey'))('Redis', () => {
  test('that is killed and comes back with its data loses nothing of a job', async () => {
    const port = await freePort()
    const server = await redis({ port })
    const opened = await store(server.redisUrl)
    const world = slowWorld()
    const { engine } = await startNode(opened, world)
    const { id } = await engine.submit(ORDER)
    await until(opened, 'a beginning', () => world.effects.size > ITEMS / 4)
    await server.kill9()
    await expect(engine.get(id)).rejects.toMatchObject({ code: 'job-engine-unavailable' })
    await redis({ port })
    expectWhole(world, await ended(opened, engine, id))
    // The step that was under way may have come again; no other.
    expect(world.steps.length).toBeLessThanOrEqual(ITEMS / 100 + 1)
  })

  test('that comes back empty has lost its jobs: they are told of, and not done', async () => {
    const port = await freePort()
    const server = await redis({ port })
    const opened = await store(server.redisUrl)
    const world = slowWorld()
    const { engine } = await startNode(opened, world)
    const schedule = { id: 'yearly', cron: '0 0 1 1 *', timeZone: 'UTC', order: ORDER }
    await engine.putSchedule(schedule)
    const { id } = await engine.submit(ORDER)
    const isKnown = async (): Promise<boolean> => (await told(engine, id)).counters.done > 300
    await until(opened, 'a beginning', isKnown)
    // The ledger learns of it within a second.
    await opened.pass(1500)
    await server.kill9()
    await rm(join(folder.path, 'redis'), { recursive: true })
    await redis({ port })
    const job = await ended(opened, engine, id)
    expect(job).toMatchObject({ state: 'lost', description: ORDER.description, args: ORDER.args })
    expect(job.counters.done).toBeGreaterThan(300)
    expect(job.error).toContain('came back without')
    const { size } = world.effects
    expect((await engine.list({ states: ['running', 'queued'] })).length).toBe(0)
    expect((await engine.listSchedules()).map(({ id: each }) => each)).toEqual(['yearly'])
    const next = await engine.submit({ ...ORDER, id: 'next' })
    expect((await ended(opened, engine, next.id)).state).toBe('finished')
    expect([...world.effects.keys()].filter((name) => name.startsWith(`${id}/`)).length).toBe(size)
  })

  test('that is flushed under a running engine is noticed, and nothing goes on', async () => {
    const server = await redis()
    const opened = await store(server.redisUrl)
    const world = slowWorld()
    const { engine } = await startNode(opened, world)
    const { id } = await engine.submit(ORDER)
    await until(opened, 'a beginning', () => world.effects.size > 300)
    await opened.pass(1500)
    await server.ask('FLUSHALL')
    const job = await ended(opened, engine, id)
    expect(job.state).toBe('lost')
    const { size } = world.effects
    await opened.pass(1000)
    expect(world.effects.size).toBe(size)
  })

  test('that is away: calls fail in bounded time, and an engine opens without it', async () => {
    const port = await freePort()
    const redisUrl = `redis://:secret-word@127.0.0.1:${port}`
    const engine = await BullmqEngine.open({
      address: parseRedisUrl(redisUrl),
      ...{ nodeId: 'n', clock: systemClock, ledgerPath: join(folder.path, 'ledger') },
      callTimeoutMs: 500,
    })
    closers.push(() => engine.close())
    const world = new World(systemClock)
    await engine.work(world.worker('n').worker)
    const error = await engine.submit(ORDER).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'job-engine-unavailable' })
    expect(`${error} ${JSON.stringify(error)}`).not.toContain('secret-word')
    await redis({ port, password: 'secret-word' })
    const opened = await store(redisUrl)
    await until(opened, 'Redis', async () =>
      engine.list({}).then(
        () => true,
        () => false,
      ),
    )
    const { id } = await engine.submit(ORDER)
    expect((await ended(opened, engine, id)).state).toBe('finished')
  })

  test('that may evict keys is refused, and a wrong password is told of without the word', async () => {
    const server = await redis({ args: ['--maxmemory-policy', 'allkeys-lru'], password: 'right' })
    const common = { nodeId: 'n', clock: systemClock, ledgerPath: join(folder.path, 'ledger') }
    const address = parseRedisUrl(server.redisUrl)
    await expect(BullmqEngine.open({ ...common, address })).rejects.toMatchObject({
      code: 'setting-invalid',
      message: expect.stringContaining('allkeys-lru'),
    })
    await server.ask('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    const wrong = { ...address, password: 'wrong-word' }
    const engine = await BullmqEngine.open({ ...common, address: wrong, callTimeoutMs: 1000 })
    closers.push(() => engine.close())
    const error = await engine.list({}).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'job-engine-unavailable' })
    expect(`${error}`).toMatch(/WRONGPASS|invalid/)
    expect(`${error}`).not.toContain('wrong-word')
  })

  test('that quotes the login which it refuses gives no password away, whoever is told', async () => {
    const port = await quotingServer()
    const troubles: unknown[] = []
    const login = `redis://ada:secret%20word@127.0.0.1:${port}`
    const engine = await BullmqEngine.open({
      ...{ address: parseRedisUrl(login), nodeId: 'n', clock: systemClock },
      ...{ ledgerPath: join(folder.path, 'ledger'), callTimeoutMs: 500 },
      onTrouble: (error) => troubles.push(error),
    })
    closers.push(() => engine.close())
    await engine.work(new World(systemClock).worker('n').worker)
    const error = await engine.list({}).catch((thrown: unknown) => thrown)
    while (troubles.length < 5) await systemClock.sleep(50)
    const told = [error, ...troubles].map((each) => inspect(each, { depth: 9, showHidden: true }))
    expect(told.join(' ')).toContain('(secret)')
    expect(told.filter((text) => /secret( |%20)word/.test(text))).toEqual([])
  })

  test('holds deliveries of jobs that nobody knows: they are dropped', async () => {
    const server = await redis()
    const ledgerPath = join(folder.path, 'ledger')
    const engine = await BullmqEngine.open({
      ...{ address: parseRedisUrl(server.redisUrl), nodeId: 'n', clock: systemClock, ledgerPath },
    })
    closers.push(() => engine.close())
    const world = new World(systemClock)
    await engine.work(world.worker('n').worker)
    for (const entry of ['control|2|ghost.l.1', 'pages-n|2|ghost.1.0.1', 'control|2|!', '|||']) {
      await server.ask('ZADD', '{forebay}:outbox', '0', entry)
    }
    const opened = await store(server.redisUrl)
    await until(opened, 'the outbox', async () => {
      const left = await server.ask('ZRANGE', '{forebay}:outbox', '0', '-1')
      return left === '|||'
    })
    const { id } = await engine.submit(ORDER)
    expect((await ended(opened, engine, id)).state).toBe('finished')
    expect(world.steps.every(({ job }) => job === id)).toBe(true)
  })
})

test.skipIf(isLeftOut('valkey'))('a failover of Sentinels under load loses nothing', async () => {
  const set = await startSentinelSet({ folder: folder.path })
  closers.push(() => set.stop())
  const opened = await store(set.redisUrl)
  const world = slowWorld()
  const { engine } = await startNode(opened, world)
  const { id } = await engine.submit(ORDER)
  await until(opened, 'a beginning', () => world.effects.size > ITEMS / 4)
  const before = await set.masterPort()
  const master = set.servers.find(({ port }) => port === before)
  assert.ok(master)
  // What users were told last: an order, and that another one is ended.
  await engine.submit({ ...ORDER, id: 'ended', priority: 'low' })
  await engine.abort('ended', 'enough')
  await engine.submit({ ...ORDER, id: 'last', priority: 'low' })
  await master.kill9()
  const job = await ended(opened, engine, id)
  expect(await set.masterPort()).not.toBe(before)
  expect((await told(engine, 'ended')).state).toBe('aborted')
  expect((await ended(opened, engine, 'last')).state).toBe('finished')
  expectWhole(world, job)
})

test.skipIf(isLeftOut('redis'))('TLS: a job is done where the authority is known', async () => {
  const [key, cert] = [join(folder.path, 'key.pem'), join(folder.path, 'cert.pem')]
  await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=redis'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
  ])
  const server = await redis({ tool: 'redis', password: 'word', tls: { cert, key } })
  const address = parseRedisUrl(server.redisUrl)
  const common = { nodeId: 'n', clock: systemClock, callTimeoutMs: 1500 }
  const stranger = await BullmqEngine.open({
    ...{ ...common, address, ledgerPath: join(folder.path, 'other') },
  })
  closers.push(() => stranger.close())
  await expect(stranger.list({})).rejects.toThrow(/self-signed|certificate/)
  const ca = await readFile(cert, 'utf8')
  const engine = await BullmqEngine.open({
    ...{ ...common, address: { ...address, tls: { ca } }, ledgerPath: join(folder.path, 'own') },
  })
  closers.push(() => engine.close())
  const world = new World(systemClock)
  await engine.work(world.worker('n').worker)
  const { id } = await engine.submit(ORDER)
  const opened = await store(server.redisUrl)
  expect((await ended(opened, engine, id)).state).toBe('finished')
})
