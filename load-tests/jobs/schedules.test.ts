import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { ForebayClient } from '@forebay/client/client'
import type { JobScheduleReport } from '@forebay/client/jobs'
import { expect, test } from 'vitest'
import { FaultNode } from '../faults/fault-node.ts'
import { temporaryFolder } from '../testkit/servers.ts'

const userOf = (id: string, policy: string, buckets = ['*']) => ({
  ...{ id, policy, buckets, accessKey: `AK${id.toUpperCase()}`, secretKey: `word-of-${id}-0987` },
})

const ROOT = userOf('root', 'admin')

/** A node on the folder with these users, until the work with it is done. */
async function withUsers<T>(
  dataDir: string,
  users: readonly ReturnType<typeof userOf>[],
  work: (clientOf: (user: ReturnType<typeof userOf>) => ForebayClient, logs: () => string) => T,
): Promise<Awaited<T>> {
  const node = new FaultNode({
    ...{ dataDir, originUrl: 'http://127.0.0.1:9' },
    config: { auth: { users } },
  })
  try {
    const { server } = await node.start()
    const clientOf = ({ accessKey, secretKey }: ReturnType<typeof userOf>) =>
      new ForebayClient({ endpoint: server.url, credentials: { accessKey, secretKey } })
    return await work(clientOf, () => server.logs())
  } finally {
    await node.stop()
  }
}

test('a schedule orders nothing once its user is gone or lost the bucket, and again when they may', async () => {
  const folder = await temporaryFolder('schedules')
  const dataDir = join(folder.path, 'node')
  const ada = userOf('ada', 'readwrite', ['sets'])
  const told = async (
    client: ForebayClient,
    isSo: (schedule: JobScheduleReport | undefined) => boolean,
  ): Promise<JobScheduleReport | undefined> => {
    for (;;) {
      const [schedule] = await client.jobs.schedules()
      if (isSo(schedule)) return schedule
      await systemClock.sleep(100)
    }
  }
  const isRefused = (schedule: JobScheduleReport | undefined): boolean =>
    schedule?.lastError !== undefined
  try {
    const lastJob = await withUsers(dataDir, [ROOT, ada], async (clientOf) => {
      await clientOf(ROOT).buckets.create({ provider: 'ais', name: 'sets' })
      const order = { kind: 'delete', bucket: 'ais://sets', args: { all: true } }
      await clientOf(ada).jobs.putSchedule('often', { cron: '* * * * * *', order })
      const schedule = await told(clientOf(ada), (one) => one?.lastJob !== undefined)
      return schedule?.lastJob ?? ''
    })
    for (const users of [[ROOT], [ROOT, userOf('ada', 'readwrite', ['other'])]]) {
      await withUsers(dataDir, users, async (clientOf, logs) => {
        const { jobs } = clientOf(ROOT)
        const schedule = await told(clientOf(ROOT), isRefused)
        const known = (await jobs.list()).length
        expect(schedule?.lastError?.message).toBe(
          'user "ada" may not order delete on ais://sets now',
        )
        await told(clientOf(ROOT), (one) => one?.lastError?.time !== schedule?.lastError?.time)
        expect((await jobs.list()).length).toBe(known)
        expect(logs()).toMatch(/"schedule":"often".*a schedule was refused/)
      })
    }
    await withUsers(dataDir, [ROOT, ada], async (clientOf) => {
      const schedule = await told(clientOf(ada), (one) => !isRefused(one))
      expect(schedule?.lastJob).not.toBe(lastJob)
    })
  } finally {
    await folder.remove()
  }
}, 60_000)
