import { mkdir, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { BullmqEngine } from '@forebay/jobs/bullmq/bullmq-engine'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import { Gate, ORDER, World } from '@forebay/jobs/conformance/world'
import type { JobState } from '@forebay/jobs/job'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../testkit/redis-servers.ts'
import { freePort, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'
import { TEST_LEASE_MS } from './redis-harness.ts'

/** What a clock is wrong by, milliseconds. */
const YEAR_MS = 365 * 86_400_000

const NODE = 'node-a'

let folder: { readonly path: string; readonly remove: () => Promise<void> }
let server: RedisServer
const closers: (() => Promise<unknown>)[] = []
const troubles: unknown[] = []

beforeEach(async () => {
  folder = await temporaryFolder('redis-orders')
  troubles.length = 0
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await folder.remove()
})

async function openRedis(name = 'redis', args: readonly string[] = []): Promise<RedisServer> {
  const started = await startRedis({ folder: join(folder.path, name), args })
  closers.push(() => started.kill9())
  return started
}

async function openEngine(url: string, ledgerPath = join(folder.path, 'ledger')) {
  const engine = await BullmqEngine.open({
    ...{ address: parseRedisUrl(url), nodeId: NODE, clock: systemClock, ledgerPath },
    ...{ leaseMs: TEST_LEASE_MS, callTimeoutMs: 1500 },
    onTrouble: (error) => troubles.push(error),
  })
  closers.push(() => engine.close())
  return engine
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await systemClock.sleep(50)
}

const stateOf = async (engine: BullmqEngine, id: string): Promise<JobState | undefined> =>
  (await engine.get(id))?.state

/** A way to Redis that loses the answers to whatever has a word in it. */
async function losingRelay(port: number) {
  const lost: { word: string | undefined; count: number } = { word: undefined, count: 0 }
  const sockets = new Set<Socket>()
  const relay = createServer((client) => {
    const onward = connect(port, '127.0.0.1')
    let isMute = false
    const end = (): void => {
      client.destroy()
      onward.destroy()
    }
    for (const socket of [client, onward]) {
      sockets.add(socket)
      socket.on('error', end).on('close', end)
    }
    client.on('data', (chunk: Buffer) => {
      isMute ||= lost.word !== undefined && chunk.includes(lost.word)
      onward.write(chunk)
    })
    onward.on('data', (chunk: Buffer) => {
      if (!isMute) return void client.write(chunk)
      lost.count += 1
      end()
    })
  })
  const own = await freePort()
  await new Promise<void>((resolve) => relay.listen(own, '127.0.0.1', resolve))
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    relay.close()
  })
  return { url: `redis://127.0.0.1:${own}`, lost }
}

describe.skipIf(isLeftOut('valkey'))('a step of a list', () => {
  test.each(['20', undefined])(
    'whose answer is lost adds its page once, and the list goes on: from %s',
    async (cursor) => {
      server = await openRedis()
      const { url, lost } = await losingRelay(server.port)
      const engine = await openEngine(url)
      const world = new World(systemClock, { items: 50, step: 10 })
      let isArmed = true
      world.onList = (step) => {
        if (!isArmed || step.cursor !== cursor) return
        isArmed = false
        lost.word = cursor === undefined ? 'k000005' : 'k000025'
      }
      await engine.work(world.worker(NODE).worker)
      const { id } = await engine.submit(ORDER)
      await until(() => lost.count > 0)
      lost.word = undefined
      await until(async () => (await stateOf(engine, id)) === 'finished')
      const job = await engine.get(id)
      expect(job?.listing).toMatchObject({ pages: 5, items: 50 })
      expect(job?.counters.done).toBe(50)
      expect(world.effectsOf(id)).toEqual(Array.from({ length: 50 }, () => 1))
    },
  )
})

describe.skipIf(isLeftOut('valkey'))('an order', () => {
  beforeEach(async () => {
    server = await openRedis('redis', ['--repl-diskless-sync-delay', '0'])
  })

  test('that the ledger cannot take is refused, and there is no job', async () => {
    const place = join(folder.path, 'place')
    await mkdir(place)
    const engine = await openEngine(server.redisUrl, join(place, 'ledger'))
    await rm(place, { recursive: true })
    await expect(engine.submit(ORDER)).rejects.toMatchObject({ code: 'job-engine-unavailable' })
    expect(await engine.list({})).toEqual([])
    await mkdir(place)
    const { id } = await engine.submit(ORDER)
    expect((await engine.list({})).map((job) => job.id)).toEqual([id])
  })

  test('whose answer is lost is given again, and is one job', async () => {
    const { url, lost } = await losingRelay(server.port)
    const engine = await openEngine(url)
    // The server learns the script: without it the first try changes nothing.
    await engine.submit({ ...ORDER, id: 'before' })
    lost.word = 'for the noon'
    const submitting = engine.submit({ ...ORDER, description: 'for the noon' })
    await until(() => lost.count > 0)
    lost.word = undefined
    const { id } = await submitting
    expect((await engine.list({})).map((job) => job.id)).toEqual([id, 'before'])
  })

  test('that was answered with an error is taken back when it came all the same', async () => {
    const { url, lost } = await losingRelay(server.port)
    const engine = await openEngine(url)
    await engine.submit({ ...ORDER, id: 'before' })
    lost.word = 'for the evening'
    const order = { ...ORDER, description: 'for the evening' }
    await expect(engine.submit(order)).rejects.toMatchObject({ code: 'job-engine-unavailable' })
    lost.word = undefined
    const there = async () => (await engine.list({}).catch(() => []))[0]
    await until(async () => (await there())?.state === 'aborted')
    expect(await there()).toMatchObject({
      description: 'for the evening',
      error: expect.stringContaining('answered with an error'),
    })
    // One with an id of its own is found by it.
    lost.word = 'for the night'
    const own = { ...ORDER, id: 'own', description: 'for the night' }
    await expect(engine.submit(own)).rejects.toMatchObject({ code: 'job-engine-unavailable' })
    lost.word = undefined
    await until(async () => (await engine.submit(own).catch(() => undefined))?.id === 'own')
    expect(await stateOf(engine, 'own')).toBe('queued')
    expect((await engine.list({})).length).toBe(3)
  })

  test('is told as done when a replica has it, and all the same when none is left', async () => {
    const replica = await openRedis('replica', ['--replicaof', '127.0.0.1', String(server.port)])
    await until(async () => (await replica.ask('INFO', 'replication')).includes('link_status:up'))
    const engine = await openEngine(server.redisUrl)
    const { id } = await engine.submit(ORDER)
    expect(await replica.ask('EXISTS', `{forebay}:job:${id}`)).toBe('1')
    await engine.abort(id, 'enough')
    expect(await replica.ask('HGET', `{forebay}:job:${id}`, 'state')).toBe('aborted')
    await replica.kill9()
    const { id: alone } = await engine.submit(ORDER)
    expect(await stateOf(engine, alone)).toBe('queued')
    expect(`${troubles}`).toContain('no replica of Redis')
  })
})

describe.skipIf(isLeftOut('valkey'))('a clock of Redis that was set back', () => {
  const far = String(Date.now() + YEAR_MS)

  beforeEach(async () => {
    server = await openRedis()
  })

  test('keeps no piece of a job for longer than a lease', async () => {
    const world = new World(systemClock, { items: 3, step: 3 })
    const gate = new Gate()
    world.onItem = (_, { lease }) => gate.pass(lease.signal)
    const first = await openEngine(server.redisUrl)
    const { worker, stop } = world.worker(NODE)
    await first.work(worker)
    const { id } = await first.submit(ORDER)
    await until(() => gate.waiting === 1)
    stop()
    first.kill()
    const holders = `{forebay}:job:${id}:holders`
    const tokens = (await server.ask('ZRANGE', holders, '0', '-1')).split('\n')
    for (const token of tokens) await server.ask('ZADD', holders, far, token)
    gate.open()
    const engine = await openEngine(server.redisUrl)
    await engine.work(world.worker(NODE).worker)
    await until(async () => (await stateOf(engine, id)) === 'finished')
    const held = await engine.submit({ ...ORDER, id: 'held' })
    await server.ask('ZADD', '{forebay}:job:held:holders', far, 'somebody')
    await engine.abort(held.id, 'enough')
    expect(await stateOf(engine, 'held')).toMatch(/aborted|finished/)
  })

  test('makes no job owe a year of its rate', async () => {
    const engine = await openEngine(server.redisUrl)
    await engine.submit({ ...ORDER, id: 'rated' })
    const rate = { jobId: 'rated', unit: 'items', perSecond: 10 } as const
    const before = await engine.rates.take(rate, 1)
    const paid = '{forebay}:job:rated:paid'
    await server.ask('HSET', paid, 'items', far, 'items.at', far)
    const after = await engine.rates.take(rate, 1)
    expect([before.isTaken, after.isTaken]).toEqual([true, true])
    expect(after.waitMs).toBeLessThan(1000)
  })

  test('or of a node: what was to be delivered in a year is delivered', async () => {
    const engine = await openEngine(server.redisUrl)
    const delayed = '{forebay}:queue:control:delayed'
    for (const id of ['outbox', 'delayed']) await engine.submit({ ...ORDER, id })
    // One waits in the outbox, as if its sender had died, the other where BullMQ keeps it back.
    await server.ask('ZREM', '{forebay}:queue:control:prioritized', 'outbox.l.1', 'delayed.l.1')
    await server.ask('DEL', '{forebay}:queue:control:outbox.l.1')
    await server.ask('ZADD', '{forebay}:outbox', far, 'control|2|outbox.l.1')
    await server.ask('ZADD', delayed, String(Number(far) * 4096), 'delayed.l.1')
    const world = new World(systemClock)
    await engine.work(world.worker(NODE).worker)
    await until(async () => {
      const states = [await stateOf(engine, 'outbox'), await stateOf(engine, 'delayed')]
      return states.every((state) => state === 'finished')
    })
    expect(world.effects.size).toBe(2 * world.items)
  })
})
