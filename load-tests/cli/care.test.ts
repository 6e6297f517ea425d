import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { childEnvironment } from '../testkit/run-command.ts'
import {
  freePort,
  type Server,
  startForebay,
  startVersitygw,
  temporaryFolder,
} from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'

/** doctor, top, completion and the bundle, against a whole node with users and a real S3 server. */
const ORIGIN_KEYS = { accessKey: 'origin-key', secretKey: 'planted-origin-secret' }
const ADMIN_SECRET = 'planted-admin-secret'
const ADMIN = { FOREBAY_ACCESS_KEY: 'AKADMIN', FOREBAY_SECRET_KEY: ADMIN_SECRET }
const ORIGIN_ENV = {
  AWS_ACCESS_KEY_ID: ORIGIN_KEYS.accessKey,
  AWS_SECRET_ACCESS_KEY: ORIGIN_KEYS.secretKey,
}
const PROGRAM = join(ROOT, 'services/cli/bin/forebay.js')
const RUN = ['--disable-warning=ExperimentalWarning', PROGRAM]

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: Server
let node: Server
let configPath: string

beforeAll(async () => {
  folder = await temporaryFolder('care')
  const originDir = join(folder.path, 'origin')
  await mkdir(join(originDir, 'shards', 'train'), { recursive: true })
  await writeFile(join(originDir, 'shards', 'train', 'a b.bin'), 'x'.repeat(200_000))
  await writeFile(join(originDir, 'shards', 'train', 'c.bin'), 'y')
  origin = await startVersitygw({ ...ORIGIN_KEYS, dir: originDir })
  const port = await freePort()
  const dataDir = join(folder.path, 'node')
  node = await startForebay({
    dataDir,
    port,
    config: {
      dataDir,
      listen: [{ address: '127.0.0.1', port }],
      auth: {
        users: [{ id: 'admin', accessKey: 'AKADMIN', secretKey: ADMIN_SECRET, policy: 'admin' }],
      },
      metrics: { token: 'planted-metrics-token' },
      backends: { aws: { endpoint: origin.url } },
    },
    env: ORIGIN_ENV,
  })
  configPath = `${dataDir}.config.json`
  expect(forebay('bucket', 'add', 's3://shards').code).toBe(0)
  // Nobody listens there: what doctor says of the stores of buckets.
  const silent = ['bucket', 'add', 'http://127.0.0.1:1/sets/', '--name', 'site', '--no-check']
  expect(forebay(...silent).code).toBe(0)
})

afterAll(async () => {
  await node?.stop()
  await origin?.stop()
  await folder?.remove()
})

function environment() {
  return childEnvironment({ FOREBAY_ENDPOINT: node.url, ...ADMIN, ...ORIGIN_ENV })
}

function forebay(...args: string[]) {
  const child = spawnSync(process.execPath, [...RUN, ...args], {
    cwd: folder.path,
    encoding: 'utf8',
    env: environment(),
    timeout: 60_000,
  })
  return { code: child.status, out: child.stdout, err: child.stderr }
}

test('doctor finds a running node, its stores and its clock, and shows no secret', () => {
  const { code, out } = forebay('doctor', '--config', configPath)
  expect(out).toContain('a node runs here already')
  expect(out).toContain(`backends.aws: ${origin.url} answers`)
  expect(out).toContain('agrees with backends.aws')
  expect(out).toContain('environment AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY')
  expect(out).not.toContain('planted')
  // One bucket has a store where nobody listens.
  const problems = out.split('\n').filter((line) => line.startsWith('problem'))
  expect(problems).toEqual([
    expect.stringContaining('bucket ais://site: http://127.0.0.1:1/sets does not answer'),
  ])
  expect(code).toBe(2)
})

test('doctor exits 2 for what a node could not do its work with, and says so in JSON', async () => {
  const port = await freePort()
  const { code, out } = forebay(
    ...['--json', 'doctor', '--config', configPath],
    ...['--set', `backends.aws.endpoint=http://127.0.0.1:${port}`],
  )
  expect(code).toBe(2)
  const { level, exitCode, findings } = JSON.parse(out)
  expect([level, exitCode]).toEqual(['problem', 2])
  expect(findings).toContainEqual({
    level: 'problem',
    check: 'origin',
    message: `backends.aws: http://127.0.0.1:${port} does not answer: ECONNREFUSED`,
    todo: 'check the port, and that the store runs',
  })
})

test('top counts what was read from store and cache, look by look, until Ctrl-C', async () => {
  const child = spawn(process.execPath, [...RUN, '--json', 'top', '--interval', '300ms'], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  const frames: Frame[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => frames.push(JSON.parse(line)))
  const grown = (pick: (frame: Frame) => number): number =>
    Math.round(frames.reduce((sum, frame) => sum + pick(frame) * frame.spanSeconds, 0))
  // The first frame shows that its first look is behind it.
  await once(lines, 'line')
  for (let reads = 0; reads < 4; reads++) {
    expect(forebay('get', 's3://shards/train/a b.bin', join(folder.path, 'out')).code).toBe(0)
  }
  while (grown((frame) => frame.outBytesPerSecond) < 800_000) await once(lines, 'line')
  child.kill('SIGINT')
  expect(await ended).toBe(0)
  expect(grown((frame) => frame.outBytesPerSecond)).toBe(800_000)
  expect(grown((frame) => frame.savedBytesPerSecond)).toBe(600_000)
  expect(grown((frame) => frame.savedRequestsPerSecond)).toBe(3)
  const last = frames.at(-1)
  expect(last).toMatchObject({ savedRequests: 3, savedBytes: 600_000 })
  expect(last?.origins).toHaveLength(1)
  expect(last?.memoryBytes).toBeGreaterThan(0)
  const ratios = frames.flatMap(({ byteHitRatio }) => byteHitRatio ?? [])
  expect(ratios.every((ratio) => ratio >= 0 && ratio <= 1)).toBe(true)
})

/** The fields that are looked at here. */
interface Frame {
  readonly spanSeconds: number
  readonly outBytesPerSecond: number
  readonly savedBytesPerSecond: number
  readonly savedRequestsPerSecond: number
  readonly byteHitRatio: number | null
  readonly origins: readonly unknown[]
  readonly memoryBytes: number
}

test('one look of top is a page of text for people', () => {
  const { code, out } = forebay('top', '--once', '--interval', '100ms')
  expect(code).toBe(0)
  for (const word of ['hit ratio', 'saved', 'ORIGIN', 'MOUNTPATH']) expect(out).toContain(word)
})

test('top of a node that is not there fails at once, as every command does', () => {
  const { code, err } = forebay('--endpoint', 'http://127.0.0.1:1', 'top', '--once')
  expect(code).toBe(4)
  expect(err).toContain('forebay:')
  expect(forebay('top', '--interval', 'soon').code).toBe(2)
})

test('bash completes commands, buckets and keys of the node by the script that is printed', async () => {
  const script = join(folder.path, 'completion.bash')
  await writeFile(script, forebay('completion', 'bash').out)
  const lines = ['forebay doc', 'forebay ls s3://sh', 'forebay get s3://shards/train/']
  const asked = lines
    .map((line) => `COMP_LINE=${JSON.stringify(line)}; COMP_POINT=\${#COMP_LINE}; ask`)
    .join('\n')
  const program = `
set -u
forebay() { ${[process.execPath, ...RUN].map((word) => `'${word}'`).join(' ')} "$@"; }
source '${script}'
complete -p forebay
ask() { COMP_WORDS=(forebay); _forebay; printf '%s|' "\${COMPREPLY[@]}"; echo; }
${asked}
`
  const out = execFileSync('bash', ['-c', program], { encoding: 'utf8', env: environment() })
  expect(out.trim().split('\n')).toEqual([
    'complete -F _forebay forebay',
    'doctor|',
    '//shards/|',
    '//shards/train/a\\ b.bin|//shards/train/c.bin|',
  ])
})

test('a bundle of the node has its log and settings, and no secret of node or environment', () => {
  const path = join(folder.path, 'bundle.tar.gz')
  const { code, out } = forebay('debug', 'bundle', '--config', configPath, '--output', path)
  expect(code).toBe(0)
  expect(out).toContain(path)
  const everything = execFileSync('tar', ['xzOf', path], { encoding: 'utf8' })
  expect(everything).not.toContain('planted')
  const names = execFileSync('tar', ['tzf', path], { encoding: 'utf8' })
  for (const name of ['settings', 'doctor', 'node-status', 'node-settings', 'node-buckets']) {
    expect(names).toContain(`/${name}.json`)
  }
  expect(names).not.toContain('errors.txt')
  const log = execFileSync('tar', ['xzOf', path, '--wildcards', '*/node-log.jsonl'], {
    encoding: 'utf8',
  })
  for (const line of log.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level')
  expect(everything).toContain('forebay_cache_reads_total{bucket="aws://shards"')
})
