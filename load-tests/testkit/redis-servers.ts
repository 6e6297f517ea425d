import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { childEnvironment } from './run-command.ts'
import { freePort, type Server, startServer } from './servers.ts'
import { requireTool } from './tools.ts'

export type RedisTool = 'valkey' | 'redis'

const SLOTS = 16_384
const POLL_MS = 50
const PATIENCE_MS = 30_000

/** A server of its own folder: its data outlives it, and a second start of the folder finds it. */
export type RedisServer = Server & {
  /** `redis://...`, as Forebay's setting takes it. */
  readonly redisUrl: string
  /** One command; its answer as text, an array joined by line ends. */
  readonly ask: (...words: readonly string[]) => Promise<string>
}

export type RedisOptions = {
  readonly tool?: RedisTool
  readonly folder: string
  readonly port?: number
  readonly args?: readonly string[]
  readonly password?: string
  /** PEM files: the server then speaks TLS alone. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

/** Valkey 9 or Redis 7 that writes each change to its log before it answers. */
export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  const { tool = 'valkey', folder, password, tls } = options
  const port = options.port ?? (await freePort())
  await mkdir(folder, { recursive: true })
  const how = { port, password, isTls: tls !== undefined }
  const server = await startServer({
    name: tool,
    command: requireTool(tool),
    args: [
      ...['--port', tls === undefined ? String(port) : '0', '--bind', '127.0.0.1'],
      ...['--dir', folder, '--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
      ...(password === undefined ? [] : ['--requirepass', password]),
      ...(tls === undefined
        ? []
        : [
            ...['--tls-port', String(port), '--tls-cert-file', tls.cert, '--tls-key-file', tls.key],
            ...['--tls-ca-cert-file', tls.cert, '--tls-auth-clients', 'no'],
          ]),
      ...(options.args ?? []),
    ],
    env: childEnvironment(),
    port,
    readyPath: '',
    isReady: () => false,
    probe: () => answers(how),
  })
  const login = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  return {
    ...server,
    redisUrl: `redis${tls === undefined ? '' : 's'}://${login}127.0.0.1:${port}`,
    ask: (...words) => askRedis(how, words),
  }
}

/** A master, a replica and three Sentinels that agree by two. */
export type SentinelSet = {
  readonly redisUrl: string
  readonly servers: readonly RedisServer[]
  /** Port of the server that is the master now. */
  readonly masterPort: () => Promise<number>
  readonly stop: () => Promise<void>
}

export const SENTINEL_MASTER = 'forebay'

export async function startSentinelSet(options: {
  readonly tool?: RedisTool
  readonly folder: string
}): Promise<SentinelSet> {
  const { tool = 'valkey', folder } = options
  const master = await startRedis({ tool, folder: join(folder, 'first') })
  const replica = await startRedis({
    ...{ tool, folder: join(folder, 'second') },
    args: ['--replicaof', '127.0.0.1', String(master.port)],
  })
  const sentinels: RedisServer[] = []
  for (const name of ['a', 'b', 'c']) {
    sentinels.push(await startSentinel({ tool, folder: join(folder, name), watch: master.port }))
  }
  const masterPort = async (): Promise<number> => {
    const told = await sentinels[0]?.ask('SENTINEL', 'get-master-addr-by-name', SENTINEL_MASTER)
    return Number(told?.split('\n')[1])
  }
  await until('the Sentinels know each other and the replica', async () => {
    for (const sentinel of sentinels) {
      const told = await sentinel.ask('INFO', 'sentinel')
      if (!told.includes('slaves=1,sentinels=3')) return false
    }
    return (await replica.ask('INFO', 'replication')).includes('master_link_status:up')
  })
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')
  return {
    redisUrl: `redis+sentinel://${hosts}/${SENTINEL_MASTER}`,
    servers: [master, replica],
    masterPort,
    stop: () => stopAll([...sentinels, replica, master]),
  }
}

/** Three masters of a cluster, each with a third of the slots. */
export async function startRedisCluster(options: {
  readonly tool?: RedisTool
  readonly folder: string
}): Promise<{
  readonly redisUrl: string
  readonly servers: readonly RedisServer[]
  readonly stop: () => Promise<void>
}> {
  const { tool = 'valkey', folder } = options
  const servers: RedisServer[] = []
  const busPorts: number[] = []
  for (const at of [0, 1, 2]) {
    const busPort = await freePort()
    busPorts.push(busPort)
    servers.push(await startClusterNode({ tool, folder: join(folder, `node-${at}`), busPort }))
  }
  const [first] = servers
  for (const [at, server] of servers.entries()) {
    const from = Math.ceil((SLOTS * at) / servers.length)
    const to = Math.ceil((SLOTS * (at + 1)) / servers.length) - 1
    await server.ask('CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1))
    await server.ask('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
    const meet = ['CLUSTER', 'MEET', '127.0.0.1', String(server.port), String(busPorts[at])]
    if (at > 0) await first?.ask(...meet)
  }
  await until('the cluster is whole', async () => {
    for (const server of servers) {
      const told = await server.ask('CLUSTER', 'INFO')
      if (!told.includes('cluster_state:ok') || !told.includes('cluster_known_nodes:3'))
        return false
    }
    return true
  })
  return {
    redisUrl: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    servers,
    stop: () => stopAll(servers),
  }
}

/** The bus of a node is another port; its default is too high for some of the free ones. */
function startClusterNode(options: {
  readonly tool: RedisTool
  readonly folder: string
  readonly busPort: number
}): Promise<RedisServer> {
  const { tool, folder, busPort } = options
  const args = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)]
  return startRedis({ tool, folder, args: [...args, '--cluster-node-timeout', '3000'] })
}

async function startSentinel(options: {
  readonly tool: RedisTool
  readonly folder: string
  readonly watch: number
}): Promise<RedisServer> {
  const { tool, folder } = options
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const path = join(folder, 'sentinel.conf')
  const name = SENTINEL_MASTER
  const lines = [
    ...[`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`],
    `sentinel monitor ${name} 127.0.0.1 ${options.watch} 2`,
    `sentinel down-after-milliseconds ${name} 1000`,
    `sentinel failover-timeout ${name} 5000`,
  ]
  await writeFile(path, `${lines.join('\n')}\n`)
  const how = { port, isTls: false }
  const server = await startServer({
    name: 'sentinel',
    command: requireTool(tool),
    args: [path, '--sentinel'],
    env: childEnvironment(),
    port,
    readyPath: '',
    isReady: () => false,
    probe: () => answers(how),
  })
  return {
    ...server,
    redisUrl: `redis://127.0.0.1:${port}`,
    ask: (...words) => askRedis(how, words),
  }
}

async function stopAll(servers: readonly RedisServer[]): Promise<void> {
  // Nothing of them is needed any more, and a master waits for its replica.
  await Promise.all(servers.map((server) => server.kill9()))
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not in ${PATIENCE_MS} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

type How = {
  readonly port: number
  readonly password?: string | undefined
  readonly isTls: boolean
}

async function answers(how: How): Promise<boolean> {
  const told = await askRedis(how, ['PING']).catch(() => '')
  return told === 'PONG'
}

/** One command over a connection of its own. */
function askRedis(how: How, words: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const where = { host: '127.0.0.1', port: how.port }
  const socket = how.isTls ? connectTls({ ...where, rejectUnauthorized: false }) : connect(where)
  const login = how.password === undefined ? [] : [['AUTH', how.password]]
  const commands = [...login, words]
  let text = ''
  socket.setEncoding('utf8').setTimeout(5000, () => socket.destroy(new Error('no answer')))
  socket.on('error', reject)
  socket.on('data', (chunk: string) => {
    text += chunk
    const replies = parseReplies(text)
    const last = replies[commands.length - 1]
    if (last === undefined) return
    socket.destroy()
    if (last.startsWith('-')) reject(new Error(last.slice(1)))
    else resolve(last)
  })
  socket.on('close', () => reject(new Error('the connection was closed')))
  socket.write(commands.map(encodeCommand).join(''))
  return promise
}

function encodeCommand(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  return `*${words.length}\r\n${parts.join('')}`
}

/** Replies that are complete, as text; an error keeps its `-`. */
function parseReplies(text: string): readonly string[] {
  const replies: string[] = []
  for (let at = 0; at < text.length; ) {
    const read = parseReply(text, at)
    if (read === undefined) break
    replies.push(read.value)
    at = read.end
  }
  return replies
}

type Reply = { readonly value: string; readonly end: number }

function parseReply(text: string, at: number): Reply | undefined {
  const lineEnd = text.indexOf('\r\n', at)
  if (lineEnd === -1) return undefined
  const [kind = '', line] = [text[at], text.slice(at + 1, lineEnd)]
  const next = lineEnd + 2
  if (kind === '$' && line !== '-1') {
    const end = next + Number(line)
    return text.length < end + 2 ? undefined : { value: text.slice(next, end), end: end + 2 }
  }
  if (kind !== '*') return { value: kind === '-' ? `-${line}` : line, end: next }
  const values: string[] = []
  let place = next
  for (let count = Number(line); count > 0; count -= 1) {
    const part = parseReply(text, place)
    if (part === undefined) return undefined
    values.push(part.value)
    place = part.end
  }
  return { value: values.join('\n'), end: place }
}
