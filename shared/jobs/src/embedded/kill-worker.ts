import { systemClock } from '@forebay/base/clock'
import { EmbeddedEngine } from './embedded-engine.ts'

/** A process to be killed: does the jobs of a folder, and says on its output each item it did. */
const [folder = '', items = '0'] = process.argv.slice(2)
const PAGE = 50
const end = Number(items)

const engine = await EmbeddedEngine.open({ folder, clock: systemClock })
await engine.work({
  owner: 'node',
  pagesAtOnce: 3,
  list: async ({ cursor }) => {
    const first = Number(cursor ?? 0)
    process.stdout.write(`list ${first}\n`)
    const keys = Array.from({ length: Math.min(PAGE, end - first) }, (_, at) => `k${first + at}`)
    return {
      pages: [{ owner: 'node', items: keys.map((key) => ({ key })) }],
      cursor: first + PAGE < end ? String(first + PAGE) : undefined,
    }
  },
  apply: async ({ page, lease }) => {
    for (const { key } of page.items) {
      await systemClock.sleep(1, lease.signal)
      process.stdout.write(`item ${key}\n`)
    }
    const settled = page.items.map((_, at) => at)
    return { settled, done: settled.length, skipped: 0, bytes: 0, failures: [] }
  },
  end: async () => undefined,
})
const job = await engine.submit({ kind: 'prefetch', args: {}, id: 'one' })
process.stdout.write('begun\n')
engine.watch(() => void report())

async function report(): Promise<void> {
  const { state, counters } = (await engine.get(job.id)) ?? job
  if (state !== 'finished') return
  process.stdout.write(`${JSON.stringify({ state, done: counters.done })}\n`)
  await engine.close()
}
