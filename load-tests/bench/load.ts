/** Runs the load client, and measures a server under it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { runCommand } from '../testkit/run-command.ts'
import type { Server } from '../testkit/servers.ts'
import { foreignCores, readMachineTicks, readThreadTimes, secondsBetween } from './cpu-time.ts'

/** Servers run on the first core, the client on the second. */
export const SERVER_CORE = 0
export const CLIENT_CORE = 1

/** Longest run: a server that hangs must not hang the bench. */
const RUN_TIMEOUT_MS = 10 * 60_000

/** What the client is to send. One of `seconds` and `count` says when it stops issuing requests. */
export type Load = {
  readonly client: string
  readonly port: number
  /** File made by `writeHeads`. */
  readonly requests: string
  readonly connections: number
  readonly seconds?: number | undefined
  readonly count?: number | undefined
  /** Body after every head. */
  readonly bodyBytes?: number | undefined
  /** Content-Length that every answer must have. */
  readonly expectBytes?: number | undefined
  /** Most bytes a second that each connection reads. */
  readonly readRateBytes?: number | undefined
  readonly allowErrors?: boolean | undefined
  /** Leaves the client on every core; for measurements in which origin and server share them too. */
  readonly anyCore?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What the client counted. Times run from the first byte sent to the last byte received. */
export type LoadResult = {
  readonly operations: number
  readonly failures: number
  /** Of bodies received. */
  readonly bytes: number
  readonly seconds: number
  readonly reconnects: number
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
  readonly firstByteP50Us: number
  readonly firstByteP99Us: number
  readonly cpuSeconds: number
}

/** A run with what it cost the server. */
export type Measurement = LoadResult & {
  readonly serverCpuSeconds: number
  /** Cores that neither server nor client kept busy meanwhile. */
  readonly foreignCores: number
}

/**
 * Runs the client to its end.
 *
 * @throws Error with the server's answer when one is not 2xx or has another length than stated
 */
export async function runLoad(load: Load): Promise<LoadResult> {
  const numbers = {
    port: load.port,
    connections: load.connections,
    seconds: load.seconds,
    count: load.count,
    'body-bytes': load.bodyBytes,
    'expect-bytes': load.expectBytes,
    'read-rate': load.readRateBytes,
  }
  const args = Object.entries(numbers).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  )
  if (load.allowErrors === true) args.push('--allow-errors')
  const cores = load.anyCore === true ? `${SERVER_CORE},${CLIENT_CORE}` : String(CLIENT_CORE)
  const command = ['-c', cores, load.client, '--requests', load.requests, ...args]
  const { stdout } = await runCommand('taskset', command, {
    timeoutMs: RUN_TIMEOUT_MS,
    ...(load.signal && { signal: load.signal }),
  })
  return parseLoadResult(stdout)
}

/** The client's line of JSON. */
export function parseLoadResult(text: string): LoadResult {
  // The client is ours and prints exactly these fields; `operations` shows that it got to its end.
  const result = JSON.parse(text) as LoadResult
  if (!Number.isFinite(result.operations)) throw new Error(`the load client printed: ${text}`)
  return result
}

/**
 * Runs the client and says what it cost the server's whole process tree.
 *
 * @param settleMs work that the server has put off until after its answers is waited for this long
 */
export async function measureLoad(server: Server, load: Load, settleMs = 0): Promise<Measurement> {
  const startedMs = performance.now()
  const before = await readMachineTicks()
  const threadsBefore = await readThreadTimes(server.pid)
  const result = await runLoad(load)
  if (settleMs > 0) await sleep(settleMs)
  const serverCpuSeconds = secondsBetween(threadsBefore, await readThreadTimes(server.pid))
  const after = await readMachineTicks()
  const wallSeconds = (performance.now() - startedMs) / 1000
  return {
    ...result,
    serverCpuSeconds,
    foreignCores: foreignCores(
      { before, after },
      serverCpuSeconds + result.cpuSeconds,
      wallSeconds,
    ),
  }
}
