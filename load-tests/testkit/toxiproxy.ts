import { childEnvironment } from './run-command.ts'
import { freePort, startServer } from './servers.ts'
import { requireTool } from './tools.ts'

/** What toxiproxy does to the bytes of a connection; names and units are its own. */
export type Toxic =
  /** Milliseconds that every chunk waits. */
  | { readonly type: 'latency'; readonly attributes: { readonly latency: number } }
  /** KB per second. */
  | { readonly type: 'bandwidth'; readonly attributes: { readonly rate: number } }
  /** Bytes after which the connection is closed. */
  | { readonly type: 'limit_data'; readonly attributes: { readonly bytes: number } }
  /** Nothing passes; the connection stays (0) or is closed after so many milliseconds. */
  | { readonly type: 'timeout'; readonly attributes: { readonly timeout: number } }
  /** The connection is reset after so many milliseconds. */
  | { readonly type: 'reset_peer'; readonly attributes: { readonly timeout: number } }

/** A server behind a proxy that can do harm to its connections. */
export type ToxicProxy = {
  /** Where the server is to be asked. */
  readonly url: string
  /** From now on; `upstream` means what clients send, `downstream` what they get. */
  readonly poison: (stream: 'upstream' | 'downstream', toxic: Toxic) => Promise<void>
  /** Takes connections again, or refuses them. Connections that are open are closed. */
  readonly setEnabled: (enabled: boolean) => Promise<void>
  /** Takes all harm away. */
  readonly heal: () => Promise<void>
  readonly stop: () => Promise<void>
}

const NAME = 'origin'

/** toxiproxy before one server of loopback. */
export async function startToxiproxy(upstreamPort: number): Promise<ToxicProxy> {
  const [adminPort, port] = [await freePort(), await freePort()]
  const server = await startServer({
    name: 'toxiproxy',
    command: requireTool('toxiproxy'),
    args: ['-host', '127.0.0.1', '-port', String(adminPort)],
    env: childEnvironment({ LOG_LEVEL: 'fatal' }),
    port: adminPort,
    readyPath: '/version',
    isReady: (status) => status === 200,
  })
  const ask = async (path: string, document: unknown): Promise<void> => {
    const body = JSON.stringify(document)
    const response = await fetch(`${server.url}${path}`, { method: 'POST', body })
    if (!response.ok) throw new Error(`toxiproxy ${path}: ${await response.text()}`)
  }
  const upstream = `127.0.0.1:${upstreamPort}`
  await ask('/proxies', { name: NAME, listen: `127.0.0.1:${port}`, upstream, enabled: true })
  return {
    url: `http://127.0.0.1:${port}`,
    poison: (stream, toxic) => ask(`/proxies/${NAME}/toxics`, { ...toxic, stream }),
    setEnabled: (enabled) => ask(`/proxies/${NAME}`, { enabled }),
    heal: () => ask('/reset', {}),
    stop: async () => {
      await server.stop()
    },
  }
}
