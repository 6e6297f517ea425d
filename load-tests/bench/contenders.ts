/** The servers that are compared, each over its own folder of the same file system. */
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ForebayClient } from '@forebay/client/client'
import { childEnvironment } from '../testkit/run-command.ts'
import {
  freePort,
  type S3Credentials,
  type Server,
  startForebay,
  startServer,
} from '../testkit/servers.ts'
import { requireTool } from '../testkit/tools.ts'
import type { BenchContext } from './bench-context.ts'
import { pinTree } from './cpu-time.ts'
import { runLoad, SERVER_CORE } from './load.ts'
import { type Request, renderHead, signatureOf, targetsOf, writeHeads } from './requests.ts'

export const BENCH_KEYS: S3Credentials = { accessKey: 'bench-key', secretKey: 'bench-secret' }

/** Bucket of the objects that are read. */
export const BUCKET = 'bench'

/** A running server and how requests to it are made. */
export type Contender = {
  readonly name: string
  readonly server: Server
  /** Absent: requests go unsigned. */
  readonly credentials: S3Credentials | undefined
}

/** Objects of one size. */
export type ObjectSet = {
  readonly folder: string
  readonly sizeBytes: number
  readonly count: number
}

/** Forebay in open mode, as `npm start` runs it. */
export async function startOpenForebay(
  context: BenchContext,
  options: {
    readonly name?: string
    readonly config?: Readonly<Record<string, unknown>>
    readonly env?: Readonly<Record<string, string>>
  } = {},
): Promise<Contender> {
  const name = options.name ?? 'forebay'
  const server = await context.own(
    startForebay({
      dataDir: join(context.folder, name),
      config: { ...options.config },
      ...(options.env && { env: options.env }),
      signal: context.signal,
    }),
  )
  await pinTree(server.pid, SERVER_CORE)
  return { name, server, credentials: undefined }
}

/** Forebay with a user, so that every request must be signed. */
export async function startGuardedForebay(
  context: BenchContext,
  options: { readonly name?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Contender> {
  const user = { id: 'bench', displayName: 'bench', ...BENCH_KEYS, policy: 'admin' }
  const config = { auth: { mode: 'users', users: [user] } }
  const open = await startOpenForebay(context, { name: 'forebay-users', ...options, config })
  return { ...open, credentials: BENCH_KEYS }
}

/** versitygw over a folder, without an access log: the others write none either. */
export async function startPlainVersitygw(
  context: BenchContext,
  options: { readonly anyCore?: boolean } = {},
): Promise<Contender> {
  const folder = join(context.folder, 'versitygw')
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const server = await context.own(
    startServer({
      name: 'versitygw',
      command: requireTool('versitygw'),
      args: ['--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet', 'posix', folder],
      env: childEnvironment({
        ROOT_ACCESS_KEY: BENCH_KEYS.accessKey,
        ROOT_SECRET_KEY: BENCH_KEYS.secretKey,
      }),
      port,
      readyPath: '/',
      isReady: (status) => status > 0,
      signal: context.signal,
    }),
  )
  if (options.anyCore !== true) await pinTree(server.pid, SERVER_CORE)
  return { name: 'versitygw', server, credentials: BENCH_KEYS }
}

/** nginx with one worker, sendfile, and nothing cached but by the kernel. */
export async function startNginx(context: BenchContext): Promise<Contender> {
  const folder = join(context.folder, 'nginx')
  await mkdir(join(folder, 'root', BUCKET), { recursive: true })
  const port = await freePort()
  const configPath = join(folder, 'nginx.conf')
  await writeFile(configPath, nginxConfig(folder, port))
  const server = await context.own(
    startServer({
      name: 'nginx',
      command: requireTool('nginx'),
      args: ['-p', folder, '-c', configPath, '-e', join(folder, 'error.log')],
      env: childEnvironment(),
      port,
      readyPath: '/',
      isReady: (status) => status > 0,
      signal: context.signal,
    }),
  )
  await pinTree(server.pid, SERVER_CORE)
  return { name: 'nginx', server, credentials: undefined }
}

function nginxConfig(folder: string, port: number): string {
  // The scratch folder is private to its owner, so a worker of root stays root.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `${user}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log error;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache off;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  default_type application/octet-stream;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; root ${folder}/root; }
}
`
}

/** Makes a bucket; for Forebay a native one that syncs as stated. */
export async function createBucket(
  contender: Contender,
  bucket: string,
  options: { readonly syncWrites?: boolean } = {},
): Promise<void> {
  await send(contender, { method: 'PUT', target: `/${bucket}` })
  if (options.syncWrites === undefined) return
  const client = new ForebayClient({ endpoint: contender.server.url })
  await client.buckets.set({ provider: 'ais', name: bucket }, { syncWrites: options.syncWrites })
}

/** One request outside a measurement; throws unless the answer is 2xx. */
export async function send(contender: Contender, request: Request): Promise<string> {
  const host = `127.0.0.1:${contender.server.port}`
  const { credentials } = contender
  const headers = { host, ...request.headers }
  const response = await fetch(`${contender.server.url}${request.target}`, {
    method: request.method,
    headers: {
      ...request.headers,
      ...(credentials && signatureOf(request, headers, { host, credentials })),
    },
    signal: AbortSignal.timeout(60_000),
  })
  const text = await response.text()
  if (!response.ok) {
    const what = `${contender.name}: ${request.method} ${request.target}`
    throw new Error(`${what} answered ${response.status}: ${text.slice(0, 500)}`)
  }
  return text
}

/** Writes the requests to a file, signed as the contender wants them; returns its path. */
export async function prepare(
  context: BenchContext,
  contender: Contender,
  requests: { readonly name: string; readonly list: readonly Request[] },
): Promise<string> {
  const path = join(context.folder, `${contender.name}-${requests.name}.requests`)
  const signing = {
    host: `127.0.0.1:${contender.server.port}`,
    credentials: contender.credentials,
  }
  await writeHeads(
    path,
    requests.list.map((request) => renderHead(request, signing)),
  )
  return path
}

/** Stores the objects that are read later, through the contender's own door. */
export async function fill(
  context: BenchContext,
  contender: Contender,
  set: ObjectSet & { readonly bucket?: string },
): Promise<void> {
  const bucket = set.bucket ?? BUCKET
  if (contender.name === 'nginx') return fillNginx(context, set)
  const list = targetsOf(bucket, set.folder, set.count).map((target) => ({
    method: 'PUT' as const,
    target,
    headers: { 'content-length': String(set.sizeBytes) },
  }))
  await runLoad({
    client: context.client,
    port: contender.server.port,
    requests: await prepare(context, contender, { name: `fill-${set.folder}`, list }),
    connections: Math.min(8, set.count),
    count: set.count,
    bodyBytes: set.sizeBytes,
    signal: context.signal,
  })
}

const PIECE = Buffer.alloc(1024 ** 2, 'forebay bench ')

async function fillNginx(context: BenchContext, set: ObjectSet): Promise<void> {
  const root = join(context.folder, 'nginx', 'root')
  await mkdir(join(root, BUCKET, set.folder), { recursive: true })
  for (const target of targetsOf(BUCKET, set.folder, set.count)) {
    const file = await open(join(root, target), 'w')
    for (let left = set.sizeBytes; left > 0; left -= PIECE.length) {
      await file.write(PIECE, 0, Math.min(left, PIECE.length))
    }
    await file.close()
  }
}
