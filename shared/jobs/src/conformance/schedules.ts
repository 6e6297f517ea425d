import assert from 'node:assert/strict'
import { Failure } from '@forebay/base/failure'
import type { JobSchedule } from '../job.ts'
import type { Scenario } from './case.ts'
import { ended, Gate, ORDER, refused, startNode, told, until, World } from './world.ts'

const HOURLY = { id: 'hourly', cron: '0 * * * *', timeZone: 'UTC', order: ORDER }

/** How far a clock is ahead that is wrong, milliseconds. */
const YEARS_MS = 10 * 365 * 86_400_000

/** Jobs that come by the clock. */
export const SCHEDULE_SCENARIOS: readonly Scenario[] = [
  {
    title: 'schedules are kept, replaced and removed, and tell when they come next',
    async play(store) {
      const { engine } = await store.open('node-a')
      const kept = await engine.putSchedule(HOURLY)
      const hourMs = 3_600_000
      assert.equal(kept.nextMs % hourMs, 0)
      assert.ok(kept.nextMs > store.clock.now() && kept.nextMs <= store.clock.now() + hourMs)
      await engine.putSchedule({ ...HOURLY, id: 'other', cron: '30 5 * * 1' })
      await engine.putSchedule({ ...HOURLY, cron: '15 * * * *' })
      const schedules = await engine.listSchedules()
      assert.deepEqual(schedules.map(({ id, cron }) => `${id} ${cron}`).sort(), [
        'hourly 15 * * * *',
        'other 30 5 * * 1',
      ])
      assert.equal(await engine.removeSchedule('hourly'), true)
      assert.equal(await engine.removeSchedule('hourly'), false)
      assert.equal((await engine.listSchedules()).length, 1)
      assert.deepEqual(await engine.list({}), [])
    },
  },
  {
    title: 'a time zone moves the time',
    async play(store) {
      const { engine } = await store.open('node-a')
      const daily = { ...HOURLY, cron: '0 3 * * *' }
      const there = await engine.putSchedule({ ...daily, id: 'there', timeZone: 'Asia/Tokyo' })
      assert.equal(new Date(there.nextMs).getUTCHours(), 18)
    },
  },
  {
    title: 'a time that is none, or never comes, is refused',
    async play(store) {
      const { engine } = await store.open('node-a')
      for (const cron of ['', 'soon', '61 * * * *', '0 0 30 2 *', '* * * * * * *']) {
        await refused(engine.putSchedule({ ...HOURLY, cron }), 'argument-invalid')
      }
      await refused(engine.putSchedule({ ...HOURLY, timeZone: 'Mars/Olympus' }), 'argument-invalid')
      assert.deepEqual(await engine.listSchedules(), [])
    },
  },
  {
    title: 'a job comes each time, names its schedule, and no more when that is removed',
    async play(store) {
      const { engine } = await startNode(store, new World(store.clock))
      await engine.putSchedule({ ...HOURLY, id: 'often', cron: '* * * * * *' })
      await until(store, 'three jobs', async () => (await engine.list({})).length >= 3)
      await engine.removeSchedule('often')
      const jobs = await engine.list({})
      await store.pass(2500)
      assert.equal((await engine.list({})).length, jobs.length)
      const seconds = jobs.map(({ createdMs }) => Math.floor(createdMs / 1000))
      assert.equal(new Set(seconds).size, jobs.length)
      for (const { id, scheduleId, description } of jobs) {
        assert.deepEqual([scheduleId, description], ['often', ORDER.description])
        assert.equal((await ended(store, engine, id)).state, 'finished')
      }
    },
  },
  {
    title: 'times that come before the last job of the schedule has ended pass',
    async play(store) {
      const world = new World(store.clock, { items: 1 })
      const gate = new Gate()
      world.onItem = (_item, { lease }) => gate.pass(lease.signal)
      const { engine } = await startNode(store, world)
      const { nextMs } = await engine.putSchedule({ ...HOURLY, id: 'often', cron: '* * * * * *' })
      await until(store, 'the first job', () => gate.waiting === 1)
      const nextOf = async (): Promise<number> => (await engine.listSchedules())[0]?.nextMs ?? 0
      await until(store, 'three more times', async () => (await nextOf()) >= nextMs + 4000)
      const jobs = await engine.list({})
      assert.equal(jobs.length, 1)
      assert.equal((await engine.listSchedules())[0]?.lastJobId, jobs[0]?.id)
      gate.open()
      await until(store, 'the second job', async () => (await engine.list({})).length > 1)
    },
  },
  {
    title: 'times that nobody was there for come once, when somebody is there again',
    async play(store) {
      const world = new World(store.clock)
      const node = await startNode(store, world)
      await node.engine.putSchedule({ ...HOURLY, id: 'often', cron: '*/4 * * * * *' })
      await node.kill()
      await store.pass(9000)
      // At the beginning of an interval, so that no time of its own comes while it is looked.
      await until(store, 'a beginning', () => store.clock.now() % 4000 < 500)
      const { engine } = await startNode(store, world)
      await until(store, 'the missed one', async () => (await engine.list({})).length > 0)
      const [job] = await engine.list({})
      const [schedule] = await engine.listSchedules()
      assert.equal((await engine.list({})).length, 1)
      assert.ok(job !== undefined && schedule !== undefined)
      assert.equal(schedule.lastJobId, job.id)
      assert.ok(schedule.nextMs > job.createdMs && schedule.nextMs <= job.createdMs + 4000)
      assert.equal((await told(engine, job.id)).scheduleId, 'often')
    },
  },
  {
    title: 'a schedule that is refused makes no job, says why, and orders again when it may',
    async play(store) {
      const world = new World(store.clock)
      const { worker } = world.worker('node-a')
      const { engine } = await store.open('node-a')
      let refusal: Failure | undefined = new Failure('access-denied', 'ada may not')
      const asked: JobSchedule[] = []
      await engine.work(worker, async (schedule) => {
        asked.push(schedule)
        return refusal
      })
      const put = await engine.putSchedule({ ...HOURLY, id: 'often', cron: '* * * * * *' })
      assert.equal(put.lastError, undefined)
      const schedule = async (): Promise<JobSchedule | undefined> =>
        (await engine.listSchedules())[0]
      await until(store, 'two refusals', () => asked.length >= 2)
      await until(store, 'the reason', async () => (await schedule())?.lastError !== undefined)
      const refused = await schedule()
      assert.deepEqual(
        [refused?.lastError?.code, refused?.lastError?.message, refused?.lastJobId],
        ['access-denied', 'ada may not', undefined],
      )
      assert.ok((refused?.lastError?.atMs ?? 0) >= put.nextMs)
      assert.ok((refused?.nextMs ?? 0) > (refused?.lastError?.atMs ?? 0))
      assert.deepEqual(asked[0]?.order.user, ORDER.user)
      assert.deepEqual(await engine.list({}), [])
      refusal = undefined
      await until(store, 'a job', async () => (await schedule())?.lastJobId !== undefined)
      assert.equal((await schedule())?.lastError, undefined)
      assert.ok((await engine.list({})).length > 0)
    },
  },
  {
    title: 'a check that breaks refuses as well, and tells no more than that',
    async play(store) {
      const { engine } = await store.open('node-a')
      await engine.work(new World(store.clock).worker('node-a').worker, async () => {
        throw new Error('the word of the database')
      })
      await engine.putSchedule({ ...HOURLY, id: 'often', cron: '* * * * * *' })
      const reason = async (): Promise<string | undefined> =>
        (await engine.listSchedules())[0]?.lastError?.message
      await until(store, 'the reason', async () => (await reason()) !== undefined)
      assert.match((await reason()) ?? '', /failed unexpectedly/)
      assert.deepEqual(await engine.list({}), [])
    },
  },
  {
    title:
      'a schedule that is garbage is told of by name, hides no other, and can be removed or put anew',
    async play(store) {
      const opened = await store.open('node-a')
      for (const id of ['a-bad', 'b-bad', 'often']) {
        await opened.engine.putSchedule({ ...HOURLY, id })
      }
      await opened.kill()
      await store.spoil('a-bad', 'schedule')
      await store.spoil('b-bad', 'schedule')
      const { engine } = await startNode(store, new World(store.clock))
      const all = await engine.listSchedules()
      assert.deepEqual(
        all.map(({ id, isDamaged }) => [id, isDamaged]),
        [
          ['a-bad', true],
          ['b-bad', true],
          ['often', undefined],
        ],
      )
      assert.match(all[0]?.lastError?.message ?? '', /cannot be read/)
      await engine.putSchedule({ ...HOURLY, id: 'often', cron: '* * * * * *' })
      await until(store, 'a job of the other', async () => (await engine.list({})).length > 0)
      assert.equal(await engine.removeSchedule('a-bad'), true)
      await engine.putSchedule({ ...HOURLY, id: 'b-bad' })
      const left = await engine.listSchedules()
      assert.deepEqual(
        left.map(({ id, isDamaged }) => [id, isDamaged]),
        [
          ['b-bad', undefined],
          ['often', undefined],
        ],
      )
    },
  },
  {
    title: 'a clock that was years ahead for a while leaves no schedule silent',
    async play(store) {
      const { engine } = await startNode(store, new World(store.clock))
      await engine.putSchedule({ ...HOURLY, id: 'often', cron: '* * * * * *' })
      await engine.putSchedule(HOURLY)
      await until(store, 'a job', async () => (await engine.list({})).length > 0)
      store.turnWallClock(YEARS_MS)
      const nextOf = async (at: number): Promise<number> =>
        (await engine.listSchedules())[at]?.nextMs ?? 0
      const isAhead = async (at: number): Promise<boolean> =>
        (await nextOf(at)) > store.clock.now() - 60_000
      await until(store, 'the times of then', async () => (await isAhead(0)) && (await isAhead(1)))
      store.turnWallClock(-YEARS_MS)
      const nowMs = store.clock.now()
      await until(store, 'a job of now', async () => {
        const [job] = (await engine.list({})).filter(({ scheduleId }) => scheduleId === 'often')
        return (job?.createdMs ?? 0) >= nowMs && (job?.createdMs ?? 0) < nowMs + YEARS_MS / 2
      })
      // Each schedule is looked at by itself.
      const isOfNow = async (at: number): Promise<boolean> =>
        (await nextOf(at)) <= nowMs + 2 * 3_600_000
      await until(store, 'the times of now', async () => (await isOfNow(0)) && (await isOfNow(1)))
    },
  },
]
