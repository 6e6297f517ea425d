/** CPU time of process trees and of the machine, read from /proc. */
import { readdir, readFile } from 'node:fs/promises'
import { runCommand } from '../testkit/run-command.ts'

/** On-CPU nanoseconds by thread id. */
export type ThreadTimes = ReadonlyMap<number, bigint>

/** Ticks (1/100 s) of the whole machine. */
export type MachineTicks = { readonly busy: number; readonly total: number }

/** First field of a `schedstat` file: time on a CPU, in nanoseconds. */
export function parseSchedstat(text: string): bigint {
  const field = text.trim().split(' ')[0]
  if (field === undefined || !/^\d+$/.test(field)) throw new Error(`no schedstat line: "${text}"`)
  return BigInt(field)
}

/**
 * The machine's `cpu` line of /proc/stat. Busy is everything but idle and iowait, steal included:
 * a stolen core is as little ours as a foreign process's.
 */
export function parseMachineTicks(text: string): MachineTicks {
  const line = text.split('\n').find((candidate) => candidate.startsWith('cpu '))
  if (line === undefined) throw new Error('/proc/stat has no line "cpu"')
  // user nice system idle iowait irq softirq steal; guest times are within user and nice.
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const total = ticks.reduce((sum, value) => sum + value, 0)
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) }
}

/** Seconds on a CPU between two readings. A thread that ended in between is not counted. */
export function secondsBetween(before: ThreadTimes, after: ThreadTimes): number {
  let sum = 0n
  for (const [thread, time] of after) sum += time - (before.get(thread) ?? 0n)
  return Number(sum) / 1e9
}

/**
 * Cores that others kept busy, 0..cores.
 *
 * @param oursSeconds CPU time of server and client in that span
 * @param wallSeconds length of the span, > 0
 */
export function foreignCores(
  span: { readonly before: MachineTicks; readonly after: MachineTicks },
  oursSeconds: number,
  wallSeconds: number,
): number {
  const busySeconds = (span.after.busy - span.before.busy) / TICKS_PER_SECOND
  return Math.max(0, (busySeconds - oursSeconds) / wallSeconds)
}

/** USER_HZ, fixed at 100 on Linux's common architectures. */
const TICKS_PER_SECOND = 100

export async function readMachineTicks(): Promise<MachineTicks> {
  return parseMachineTicks(await readFile('/proc/stat', 'utf8'))
}

/** Every thread of a process and of its descendants. */
export async function readThreadTimes(pid: number): Promise<ThreadTimes> {
  const times = new Map<number, bigint>()
  for (const process of await processTree(pid)) {
    for (const thread of await listThreads(process)) {
      const text = await readProc(`${process}/task/${thread}/schedstat`)
      if (text !== '') times.set(thread, parseSchedstat(text))
    }
  }
  if (times.size === 0) throw new Error(`process ${pid} is gone, or /proc has no schedstat`)
  return times
}

/** The process and its descendants. */
export async function processTree(pid: number): Promise<readonly number[]> {
  const tree = [pid]
  for (const process of tree) {
    for (const thread of await listThreads(process)) {
      const text = await readProc(`${process}/task/${thread}/children`)
      tree.push(...text.split(' ').filter(Boolean).map(Number))
    }
  }
  return tree
}

/** Binds every thread of the tree to one core. */
export async function pinTree(pid: number, core: number): Promise<void> {
  for (const process of await processTree(pid)) {
    await runCommand('taskset', ['-a', '-c', '-p', String(core), String(process)])
  }
}

async function listThreads(pid: number): Promise<readonly number[]> {
  const names = await readdir(`/proc/${pid}/task`).catch(whenGone([]))
  return names.map(Number)
}

/** The text of a file below /proc, empty when its process has ended. */
async function readProc(path: string): Promise<string> {
  return readFile(`/proc/${path}`, 'utf8').catch(whenGone(''))
}

function whenGone<T>(value: T): (error: unknown) => T {
  return (error) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ESRCH') return value
    throw error
  }
}
