import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { readThreadTimes, secondsBetween } from '../bench/cpu-time.ts'
import { childEnvironment } from '../testkit/run-command.ts'
import { ROOT } from '../testkit/tool-install.ts'

/** What work took. */
export type Cost = { readonly seconds: number; readonly cpuSeconds: number }

/** A program of this folder in a process of its own, which does one thing after the other. */
export type Helper<Order> = {
  readonly pid: number
  /** @throws Error with what the program printed, when it fails */
  readonly run: (order: Order) => Promise<void>
  readonly stop: () => Promise<void>
}

/** @param file name in `load-tests/jobs`; it calls `serveOrders` */
export function startHelper<Order>(file: string): Helper<Order> {
  const child = fork(join(ROOT, 'load-tests/jobs', file), {
    env: childEnvironment(),
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)
  const exited = once(child, 'exit').finally(() => process.removeListener('exit', endWithUs))
  return {
    pid: child.pid ?? 0,
    run: async (order) => {
      const answered = once(child, 'message')
      child.send(JSON.stringify(order))
      const gone = exited.then(() => ['it ended'])
      const [answer] = await Promise.race([answered, gone])
      if (answer !== 'done') throw new Error(`${file}: ${answer}`)
    },
    stop: async () => {
      endWithUs()
      await exited
    },
  }
}

/** The other side: obeys until the process is ended. */
export function serveOrders<Order>(run: (order: Order) => Promise<void>): void {
  process.on('message', (text) => {
    const order: Order = JSON.parse(String(text))
    run(order).then(
      () => process.send?.('done'),
      (error) => process.send?.(error instanceof Error ? (error.stack ?? error.message) : 'failed'),
    )
  })
  process.on('disconnect', () => process.exit(0))
}

/** Wall time of some work, and the time that a process and its children were on a CPU for it. */
export async function costOf(pid: number, work: () => Promise<unknown>): Promise<Cost> {
  const before = await readThreadTimes(pid)
  const startedAt = performance.now()
  await work()
  const seconds = (performance.now() - startedAt) / 1000
  return { seconds, cpuSeconds: secondsBetween(before, await readThreadTimes(pid)) }
}
