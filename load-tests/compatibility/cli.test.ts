import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { childEnvironment } from '../testkit/run-command.ts'
import { type Server, startForebay, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'

/** The command line against a whole node, with a real S3 server behind it. */
const ORIGIN_KEYS = { accessKey: 'origin-key', secretKey: 'origin-secret' }
const ADMIN = { FOREBAY_ACCESS_KEY: 'AKADMIN', FOREBAY_SECRET_KEY: 'secret-of-admin' }
const READER = { FOREBAY_ACCESS_KEY: 'AKREADER', FOREBAY_SECRET_KEY: 'secret-of-reader' }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: Server
let node: Server
let dataDir: string
let big: Buffer

beforeAll(async () => {
  folder = await temporaryFolder('cli')
  const originDir = join(folder.path, 'origin')
  await mkdir(join(originDir, 'shards', 'train'), { recursive: true })
  big = randomBytes(3_000_000)
  await writeFile(join(originDir, 'shards', 'train', 'big.bin'), big)
  await writeFile(join(originDir, 'shards', 'readme.txt'), 'hello world')
  await writeFile(join(folder.path, 'small.txt'), 'hello world')
  origin = await startVersitygw({ ...ORIGIN_KEYS, dir: originDir })
  dataDir = join(folder.path, 'node')
  node = await startNode()
})

afterAll(async () => {
  await node?.stop()
  await origin?.stop()
  await folder?.remove()
})

function startNode(): Promise<Server> {
  return startForebay({
    dataDir,
    config: {
      backends: { aws: { endpoint: origin.url, region: 'us-east-1' } },
      auth: {
        users: [
          { id: 'admin', accessKey: 'AKADMIN', secretKey: 'secret-of-admin', policy: 'admin' },
          {
            id: 'reader',
            accessKey: 'AKREADER',
            secretKey: 'secret-of-reader',
            policy: 'readonly',
          },
        ],
      },
    },
    env: {
      AWS_ACCESS_KEY_ID: ORIGIN_KEYS.accessKey,
      AWS_SECRET_ACCESS_KEY: ORIGIN_KEYS.secretKey,
    },
  })
}

interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the `forebay` program as a shell would. */
function forebay(args: readonly string[], more: { env?: object; input?: string } = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'services/cli/bin/forebay.js'), ...args],
    {
      cwd: folder.path,
      env: { ...childEnvironment({ FOREBAY_ENDPOINT: node.url, ...ADMIN }), ...more.env },
      input: more.input ?? '',
      encoding: 'utf8',
      timeout: 60_000,
    },
  )
  return { code: status, out: stdout, err: stderr }
}

test('a bucket of a store is added once, under its alias too', () => {
  expect(forebay(['bucket', 'add', 's3://shards', '--as', 'pics'])).toMatchObject({ code: 0 })
  const again = forebay(['bucket', 'add', 's3://shards', '--as', 'pics'])
  expect([again.code, again.err]).toEqual([
    0,
    expect.stringContaining('there already: s3://shards'),
  ])
  for (const other of [
    ['--region', 'eu-north-1'],
    ['--as', 'photos'],
  ]) {
    const refused = forebay(['bucket', 'add', 's3://shards', ...other])
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('already exists')])
  }
  const absent = forebay(['bucket', 'add', 's3://not-there'])
  expect([absent.code, absent.err]).toEqual([3, expect.stringContaining('does not exist')])
  const shown = forebay(['--json', 'bucket', 'show', 'pics'])
  expect(JSON.parse(shown.out)).toMatchObject({ url: 's3://shards', aliases: ['pics'] })
})

test('names are listed one level at a time or all, as JSON lines too', () => {
  const level = forebay(['ls', 's3://shards'])
  expect(level.out).toMatch(/^.* DIR {2}train\/$/m)
  expect(level.out).toMatch(/ 11 B {2}readme\.txt$/m)
  const all = forebay(['--json', 'ls', '-r', 'fb://pics/'])
  const lines = all.out.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line).key)).toEqual(['readme.txt', 'train/big.bin'])
})

test('an object is read cold and then from the cache, byte for byte, and explain says so', async () => {
  const url = 's3://shards/train/big.bin'
  expect(forebay(['explain', url]).out).toContain('is not in the cache')
  const cold = forebay(['get', url, 'cold.bin'])
  expect([cold.code, cold.err]).toEqual([0, expect.stringContaining('miss')])
  const warm = forebay(['get', url, 'warm.bin'])
  expect(warm.err).toContain('hit')
  for (const file of ['cold.bin', 'warm.bin']) {
    expect(digest(await readFile(join(folder.path, file)))).toBe(digest(big))
  }
  expect(forebay(['explain', url]).out).toContain(`${url} is whole`)
  expect(forebay(['head', url]).out).toMatch(/^cached +whole$/m)
  expect(forebay(['evict', url]).code).toBe(0)
  expect(forebay(['evict', url]).code).toBe(3)
  expect(forebay(['explain', url]).out).toContain('is not in the cache')
})

test('what is put reaches the store, from a file and from a pipe of unknown length', async () => {
  expect(forebay(['put', 'small.txt', 's3://shards/new/'])).toMatchObject({ code: 0 })
  const piped = forebay(['put', '-', 's3://shards/new/piped.txt'], { input: 'from a pipe' })
  expect(piped).toMatchObject({ code: 0 })
  const written = join(folder.path, 'origin', 'shards', 'new')
  expect(await readFile(join(written, 'small.txt'), 'utf8')).toBe('hello world')
  expect(await readFile(join(written, 'piped.txt'), 'utf8')).toBe('from a pipe')
  const both = forebay(['cat', 's3://shards/new/small.txt', 's3://shards/new/piped.txt'])
  expect(both.out).toBe('hello worldfrom a pipe')
  expect(forebay(['rm', '-r', '--yes', 's3://shards/new/']).code).toBe(0)
  expect(await readdir(join(folder.path, 'origin', 'shards'))).not.toContain('new')
})

test('a native bucket takes names that paths cannot carry, and is not removed by accident', () => {
  expect(forebay(['bucket', 'create', 'scratch']).code).toBe(0)
  const url = 'ais://scratch/../a//b/'
  expect(forebay(['put', '-', `${url}x`], { input: 'odd' }).code).toBe(0)
  expect(forebay(['cat', `${url}x`]).out).toBe('odd')
  expect(forebay(['bucket', 'rm', 'scratch'])).toMatchObject({
    code: 1,
    err: expect.stringContaining('not empty'),
  })
  expect(forebay(['bucket', 'rm', 'scratch', '--force']).code).toBe(0)
  expect(forebay(['ls', 'ais://scratch']).code).toBe(3)
})

test('properties are set by name and shown', () => {
  expect(forebay(['bucket', 'set', 's3://shards', 'cache=read-only']).code).toBe(0)
  expect(forebay(['bucket', 'show', 's3://shards']).out).toMatch(/^cache +read-only$/m)
  const refused = forebay(['put', 'small.txt', 's3://shards/no.txt'])
  expect(refused.code).toBe(5)
  expect(forebay(['bucket', 'set', 's3://shards', 'cache=']).code).toBe(0)
  expect(forebay(['bucket', 'set', 's3://shards', 'blockSize=5MiB']).code).toBe(1)
})

test('a quota holds, what is pinned outlives it, and both are shown', async () => {
  await writeFile(
    join(folder.path, 'origin', 'shards', 'train', 'next.bin'),
    randomBytes(2_000_000),
  )
  expect(forebay(['bucket', 'set', 's3://shards', 'quota=4MiB']).code).toBe(0)
  expect(forebay(['pin', 's3://shards/train/b', '--until', '1h']).code).toBe(0)
  expect(forebay(['pins', 's3://shards']).out).toMatch(/^s3:\/\/shards\/train\/b +until /m)
  expect(forebay(['get', 's3://shards/train/big.bin', 'a.bin']).code).toBe(0)
  // There is no room for it that is not pinned.
  expect(forebay(['get', 's3://shards/train/next.bin', 'b.bin']).err).toContain('bypass')
  const shown = JSON.parse(forebay(['--json', 'bucket', 'show', 's3://shards']).out)
  expect(shown.space.usedBytes).toBeGreaterThanOrEqual(3_000_000)
  expect(shown.space.usedBytes).toBeLessThanOrEqual(4 * 1024 ** 2)
  expect(forebay(['bucket', 'show', 's3://shards']).out).toMatch(/^used .* % of the quota$/m)
  expect(forebay(['unpin', 's3://shards/train/b']).code).toBe(0)
  expect(forebay(['get', 's3://shards/train/next.bin', 'c.bin']).err).toContain('miss')
  expect(forebay(['explain', 's3://shards/train/big.bin']).out).toContain('is not in the cache')
  expect(forebay(['bucket', 'set', 's3://shards', 'quota=']).code).toBe(0)
})

test('a ttl is refused where there is no other copy', () => {
  expect(forebay(['bucket', 'create', 'only-here']).code).toBe(0)
  const refused = forebay(['bucket', 'set', 'ais://only-here', 'ttl=1d'])
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('without a backend')])
  expect(forebay(['bucket', 'set', 'ais://only-here', 'quota=1MiB', 'admitMax=1KiB']).code).toBe(0)
  expect(forebay(['bucket', 'rm', 'only-here']).code).toBe(0)
})

test('who may only read is told so, and who is nobody gets in nowhere', () => {
  expect(forebay(['ls', 's3://shards'], { env: READER }).code).toBe(0)
  for (const args of [
    ['put', 'small.txt', 's3://shards/x'],
    ['rm', 's3://shards/readme.txt'],
    ['bucket', 'create', 'mine'],
    ['config', 'show', '--node'],
  ]) {
    expect([args, forebay(args, { env: READER }).code]).toEqual([args, 5])
  }
  const nobody = { FOREBAY_ACCESS_KEY: '', FOREBAY_SECRET_KEY: '' }
  expect(forebay(['status'], { env: nobody }).code).toBe(5)
  const wrong = { ...ADMIN, FOREBAY_SECRET_KEY: 'another-secret' }
  expect(forebay(['status'], { env: wrong }).code).toBe(5)
})

test('a prefetch brings what is below a prefix, and one that failed is retried by its id', async () => {
  forebay(['evict', 's3://shards/train/big.bin'])
  const warm = forebay(['prefetch', 's3://shards/train/', '--wait'])
  expect([warm.code, warm.err]).toEqual([0, expect.stringContaining('finished: 1 done')])
  expect(forebay(['explain', 's3://shards/train/big.bin']).out).toContain('is whole')
  const late = forebay(['prefetch', 's3://shards/late.txt', 's3://shards/readme.txt', '--wait'])
  expect([late.code, late.err]).toEqual([1, expect.stringContaining('1 failed')])
  const id = /forebay job retry (\S+)/.exec(late.err)?.[1] ?? ''
  expect(forebay(['job', 'failures', id]).out).toMatch(/^late\.txt\tobject-not-found\t/)
  expect(forebay(['job', 'ls', '--state', 'failed']).out).toContain(id)
  await writeFile(join(folder.path, 'origin', 'shards', 'late.txt'), 'here now')
  const retried = forebay(['job', 'retry', id, '--wait'])
  expect([retried.code, retried.err]).toEqual([0, expect.stringContaining('finished')])
  expect(JSON.parse(forebay(['--json', 'job', 'show', id]).out)).toMatchObject({
    kind: 'prefetch',
    bucket: 'aws://shards',
    state: 'finished',
    attempt: 2,
    user: 'admin',
  })
  expect(forebay(['job', 'rm', id]).code).toBe(0)
  expect(forebay(['job', 'show', id])).toMatchObject({
    code: 3,
    err: expect.stringContaining('job ls'),
  })
})

test('jobs are ordered by who may, kinds tell what they take, and schedules are kept', () => {
  expect(forebay(['job', 'kinds', 'prefetch']).out).toContain('latest=boolean')
  const denied = forebay(['evict', '--job', 's3://shards/readme.txt'], { env: READER })
  expect(denied.code).toBe(5)
  const wrong = forebay(['job', 'start', 'prefetch', 'ais://nowhere'])
  expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining('nowhere')])
  const evicted = forebay(['evict', '--job', '-r', 's3://shards/train/', '--wait'])
  expect([evicted.code, evicted.err]).toEqual([0, expect.stringContaining('finished: 2 done')])
  const nightly = ['nightly', '0 3 * * *', 'prefetch', 's3://shards', '--time-zone', 'Asia/Tokyo']
  expect(forebay(['job', 'schedule', 'put', ...nightly]).err).toContain(' 18:00:00 UTC')
  expect(forebay(['job', 'schedule', 'ls']).out).toMatch(/^nightly .*Asia\/Tokyo +prefetch/m)
  expect(forebay(['job', 'schedule', 'rm', 'nightly']).code).toBe(0)
  expect(forebay(['job', 'schedule', 'rm', 'nightly']).code).toBe(3)
})

test('status counts, and the node’s settings are shown without secrets', () => {
  const status = forebay(['--json', 'status'])
  expect(JSON.parse(status.out)).toMatchObject({ ready: true, unsettledCount: 0 })
  const config = forebay(['config', 'show', '--node', '--origin'])
  expect(config.out).toMatch(/^backends\.aws\.endpoint .*file /m)
  expect(config.out).not.toContain('secret-of-admin')
})

test('fsck is refused while the node runs, and finds its store sound afterwards', async () => {
  const args = ['fsck', '--verify', '--data', dataDir]
  expect(forebay(args).code).toBe(1)
  await node.stop()
  const sound = forebay(args)
  expect([sound.code, sound.out]).toEqual([0, expect.stringMatching(/^findings +none$/m)])
  const rebuilt = forebay([...args, '--rebuild', '--json'])
  expect(JSON.parse(rebuilt.out)).toMatchObject({ findings: [] })
  expect(forebay(['status'])).toMatchObject({
    code: 4,
    err: expect.stringContaining('no answer from'),
  })
  node = await startNode()
  expect(forebay(['ls', 's3://shards']).code).toBe(0)
})

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
