/** What every measurement shares: a scratch folder, the client, servers that end with it. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Server } from '../testkit/servers.ts'
import { buildClient } from './build-client.ts'

export type BenchContext = {
  /** Scratch folder; servers keep their data below it, so that they share one file system. */
  readonly folder: string
  /** Path of the load client. */
  readonly client: string
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  /** The server is stopped when the measurement ends, however it ends. */
  readonly own: <S extends Server>(starting: Promise<S>) => Promise<S>
}

/**
 * Runs a measurement and cleans up after it.
 *
 * @param parent folder to work in; default the system's temporary one
 */
export async function withBench<T>(
  parent: string | undefined,
  measure: (context: BenchContext) => Promise<T>,
): Promise<T> {
  if (availableParallelism() < 2) {
    throw new Error('the bench needs two cores: one for the server, one for the client')
  }
  const base = parent ?? tmpdir()
  await mkdir(base, { recursive: true })
  const folder = await mkdtemp(join(base, 'forebay-bench-'))
  const servers: Server[] = []
  const abort = new AbortController()
  const interrupt = (): void => abort.abort(new Error('interrupted'))
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, interrupt)
  try {
    return await measure({
      folder,
      client: await buildClient(),
      say: (line) => void process.stderr.write(`${line}\n`),
      signal: abort.signal,
      own: async (starting) => {
        const server = await starting
        servers.push(server)
        return server
      },
    })
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.removeListener(name, interrupt)
    for (const server of servers) await server.stop().catch(() => server.kill9())
    await rm(folder, { recursive: true, force: true })
  }
}
