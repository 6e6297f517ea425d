/** A process that works on jobs of a Redis, held to their rates, and says when each item begins. */
import { writeFile } from 'node:fs/promises'
import { systemClock } from '@forebay/base/clock'
import { BullmqEngine } from '@forebay/jobs/bullmq/bullmq-engine'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import type { PageDelivery } from '@forebay/jobs/engine'
import { JobLimiter } from '@forebay/target/jobs/job-limits'
import { serveOrders } from './helper-process.ts'
import { NODES, PAGE_ITEMS, type RateOrder, type RateReport, reportPath } from './rate-job.ts'

serveOrders<RateOrder>(async ({ redisUrl, nodeId, folder, jobs, itemBytes }) => {
  const engine = await BullmqEngine.open({
    address: parseRedisUrl(redisUrl),
    nodeId,
    clock: systemClock,
    ledgerPath: `${folder}/${nodeId}.json`,
  })
  const limiter = new JobLimiter(systemClock, engine.rates)
  const begun: RateReport['begun'][number][] = []

  async function apply({ job, page, lease }: PageDelivery) {
    const gate = limiter.join(job.id, job.limits)
    for (const _item of page.items) {
      const leave = await gate.enter(0, lease.signal)
      begun.push({ jobId: job.id, atMs: Date.now() })
      for (let at = 0; at < 5; at++) await gate.flow(itemBytes / 5, lease.signal)
      leave(0)
    }
    gate.leave()
    const settled = page.items.map((_, at) => at)
    const done = settled.length
    return { settled, done, skipped: 0, bytes: done * itemBytes, failures: [] }
  }

  await engine.work({
    owner: nodeId,
    pagesAtOnce: 4,
    list: async ({ job, cursor }) => {
      const first = Number(cursor ?? 0)
      const owner = NODES[(first / PAGE_ITEMS) % NODES.length] ?? nodeId
      const items = Array.from({ length: PAGE_ITEMS }, (_, at) => ({ key: `k${first + at}` }))
      const end = Number(job.args['items'])
      const next = first + PAGE_ITEMS
      return { pages: [{ owner, items }], cursor: next < end ? String(next) : undefined }
    },
    apply,
    end: async () => undefined,
  })
  for (const id of jobs) {
    while ((await engine.get(id))?.state !== 'finished') await systemClock.sleep(50)
  }
  await engine.close()
  await writeFile(reportPath(folder, nodeId), JSON.stringify({ begun } satisfies RateReport))
})
