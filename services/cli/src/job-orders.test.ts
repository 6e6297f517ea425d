import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ScriptedNode, startScriptedNode } from './testing/scripted-node.ts'

let node: ScriptedNode

beforeEach(async () => {
  node = await startScriptedNode()
})

afterEach(() => node.close())

const order = (): unknown => node.seen.find(({ line }) => line === 'POST /v1/jobs')?.body

test('prefetch orders a job for what the URLs select, and prints its id', async () => {
  const { code, out, err } = await node.forebay('prefetch', 's3://train/a/', '--latest')
  expect([code, out]).toEqual([0, 'j1\n'])
  expect(err).toBe('prefetch is running: "forebay job wait j1" shows how far it is\n')
  expect(order()).toEqual({
    kind: 'prefetch',
    bucket: 's3://train',
    args: { prefix: 'a/', latest: true },
  })
})

test('a bucket is all of it, objects of one bucket are one job, -r takes any beginning', async () => {
  await node.forebay('prefetch', 's3://train', 's3://b/x', 'fb://c/y', 's3://b/z')
  await node.forebay('prefetch', '-r', 's3://train/epoch-1')
  await node.forebay('prefetch', 's3://train', '--template', 'shard-{0..9}.tar')
  expect(node.seen.map(({ body }) => body)).toEqual([
    { kind: 'prefetch', bucket: 's3://train', args: {} },
    { kind: 'prefetch', bucket: 's3://b', args: { keys: ['x', 'z'] } },
    { kind: 'prefetch', bucket: 'fb://c', args: { keys: ['y'] } },
    { kind: 'prefetch', bucket: 's3://train', args: { prefix: 'epoch-1' } },
    { kind: 'prefetch', bucket: 's3://train', args: { template: 'shard-{0..9}.tar' } },
  ])
})

test('cp copies named objects by their names, and a bucket or prefix by its list', async () => {
  await node.forebay('cp', 's3://a/x/', 's3://a/k', 'ais://b/p/', '--latest', '--no-overwrite')
  await node.forebay('cp', 's3://a', 'ais://b', '--dry-run')
  const to = { to: 'ais://b', prepend: 'p/', latest: true, overwrite: false }
  expect(node.seen.map(({ body }) => body)).toEqual([
    { kind: 'copy-bucket', bucket: 's3://a', args: { prefix: 'x/', ...to } },
    { kind: 'copy-objects', bucket: 's3://a', args: { keys: ['k'], ...to } },
    { kind: 'copy-bucket', bucket: 's3://a', args: { to: 'ais://b', dryRun: true } },
  ])
})

test('cp gives one object the key that the destination names', async () => {
  await node.forebay('cp', 's3://a/k', 'ais://b/other')
  expect(order()).toEqual({
    kind: 'copy-objects',
    bucket: 's3://a',
    args: { keys: ['k'], to: 'ais://b', keyTo: 'other' },
  })
})

test('sync makes a bucket, or what begins with a prefix, the same as another', async () => {
  await node.forebay('sync', 's3://a/pre', 'ais://b')
  expect(order()).toEqual({
    kind: 'copy-bucket',
    bucket: 's3://a',
    args: { prefix: 'pre', to: 'ais://b', sync: true },
  })
})

test('rm and evict by a job take one object for one, and need -r for more', async () => {
  await node.forebay('rm', '--job', 's3://a/dir/', 's3://a/k')
  await node.forebay('rm', '--job', '-r', '--yes', 's3://a')
  await node.forebay('evict', '--job', '-r', 's3://a/dir/')
  expect(node.seen.map(({ body }) => body)).toEqual([
    { kind: 'delete', bucket: 's3://a', args: { keys: ['dir/', 'k'] } },
    { kind: 'delete', bucket: 's3://a', args: { all: true } },
    { kind: 'evict', bucket: 's3://a', args: { prefix: 'dir/' } },
  ])
})

test('download tells files, directories, ranges and data sets apart', async () => {
  await node.forebay('download', 'https://h/a.bin', 'ais://b/name.bin')
  await node.forebay('download', 'https://h/a', 'https://h/b', 'https://h/d/', 'ais://b/p/')
  await node.forebay('download', 'https://h/d/', 'ais://b', '--depth', '2', '--include', '*.tar')
  await node.forebay('download', 'https://h/{0..9}', 'ais://b', '--template', '--header', 'X: y: z')
  await node.forebay(
    'download',
    'hf://datasets/o/n@v1',
    'hf://o/m',
    'ais://b',
    '--token-env',
    'HF_TOKEN',
  )
  const orders = node.seen.map(({ body }) => body)
  expect(orders).toEqual(
    [
      { link: 'https://h/a.bin', object: 'name.bin' },
      { links: ['https://h/a', 'https://h/b'], prepend: 'p/' },
      { directory: 'https://h/d/', prepend: 'p/' },
      { directory: 'https://h/d/', depth: 2, include: ['*.tar'] },
      { template: 'https://h/{0..9}', headers: { X: 'y: z' } },
      { huggingFace: { dataset: 'o/n', revision: 'v1', tokenEnv: 'HF_TOKEN' } },
      { huggingFace: { model: 'o/m', tokenEnv: 'HF_TOKEN' } },
    ].map((args) => ({ kind: 'download', bucket: 'ais://b', args })),
  )
})

test('archive packs what is below one URL into archives of the name that stands last', async () => {
  await node.forebay(
    ...['archive', 's3://a/x/', 'ais://b/t-%06d.tar', '--shard-size', '1KiB', '--shard-members'],
    ...['5', '--member-names', 'base', '--skip-missing'],
  )
  expect(order()).toEqual({
    kind: 'archive',
    bucket: 's3://a',
    args: {
      prefix: 'x/',
      to: 'ais://b',
      name: 't-%06d.tar',
      shardBytes: 1024,
      shardMembers: 5,
      memberNames: 'base',
      onMissing: 'skip',
    },
  })
})

test('promote gives one file the key that the destination names', async () => {
  await node.forebay('promote', '/mnt/a.txt', 'ais://b/k')
  expect(order()).toEqual({
    kind: 'promote',
    bucket: 'ais://b',
    args: { source: '/mnt/a.txt', name: 'k' },
  })
})

test('promote orders a job for each path of the node', async () => {
  await node.forebay('promote', '-r', '--delete-source', '/mnt/a', '/mnt/b.txt', 'ais://b/p/')
  const args = { recursive: true, prepend: 'p/', deleteSource: true }
  expect(node.seen.map(({ body }) => body)).toEqual([
    { kind: 'promote', bucket: 'ais://b', args: { source: '/mnt/a', ...args } },
    { kind: 'promote', bucket: 'ais://b', args: { source: '/mnt/b.txt', ...args } },
  ])
})

test('limits and priority are part of the order', async () => {
  await node.forebay(
    ...['prefetch', 's3://train', '--priority', 'low', '--rate', '10MiB', '--concurrency', '4'],
    ...['--item-rate', '100', '--failures-max', '0', '--description', 'night'],
  )
  expect(order()).toMatchObject({
    priority: 'low',
    description: 'night',
    limits: {
      concurrency: 4,
      itemsPerSecond: 100,
      bytesPerSecond: 10 * 1024 ** 2,
      failuresMax: 0,
    },
  })
})

test('a command line that is wrong orders nothing, and says what is allowed', async () => {
  for (const [args, told] of [
    [['prefetch', 's3://b', '--priority', 'urgent'], 'low, normal or high'],
    [['prefetch', 's3://b', '--rate', 'fast'], '100MiB'],
    [['prefetch', 's3://b', '--concurrency', '0'], 'from 1 on'],
    [['prefetch', 's3://b/p/', '--template', 'x'], 'of a bucket'],
    [['cp', 's3://a'], 'a source and a destination'],
    [['cp', 's3://a/k', 's3://a/l', 'ais://b/k'], 'ends in "/"'],
    [['cp', 's3://a/k/', 'ais://b/k'], 'ends in "/"'],
    [['cp', '-r', 's3://a/k', 'ais://b/k'], 'ends in "/"'],
    [['sync', 's3://a', 'ais://b/p/'], 'in the source alone'],
    [['rm', '--job', '-r', 's3://a'], '--yes'],
    [['rm', '--job', 's3://a'], '-r'],
    [['evict', '--job', 's3://a'], '-r'],
    [['evict', '--wait', 's3://a/k'], '--job'],
    [['download', 's3://a/k', 'ais://b'], 'https://host/file'],
    [['download', 'hf://datasets/a/b/c', 'ais://b'], 'hf://'],
    [['download', 'https://h/f', 'ais://b', '--header', 'secret'], 'Name: value'],
    [['download', 'https://h/d/', 'ais://b', '--depth', 'all'], '0 is the directory alone'],
    [['archive', 's3://a', 'ais://b'], 'names no archive'],
    [['archive', 's3://a/x/', 's3://a/y/', 'ais://b/n.tar'], 'one bucket or prefix'],
    [['archive', 's3://a', 'ais://b/n.tar', '--shard-size', 'big'], '512MiB'],
    [['promote', 'images', 'ais://b'], 'no absolute path'],
    [['promote', '/mnt/a', '/mnt/b', 'ais://b/k'], 'ends in "/"'],
    [['prefetch'], 'missing required argument'],
    [['job', 'start', 'melt', 's3://b'], 'There are prefetch, archive'],
    [['job', 'start', 'prefetch'], 'works on a bucket'],
    [['job', 'start', 'prefetch', 's3://b/k'], 'prefix='],
    [['job', 'start', 'prefetch', 's3://b', '--arg', 'colour=red'], 'keys, prefix, latest'],
    [['job', 'start', 'prefetch', 's3://b', '--arg', 'latest=1'], 'true or false'],
    [['job', 'start', 'prefetch', 's3://b', '--arg', 'prefix=a', '--arg', 'prefix=b'], 'twice'],
    [['job', 'start', 'archive', 's3://b', '--arg', 'to=x'], 'needs name'],
    [['job', 'show', '../buckets'], 'not an id'],
    [['job', 'ls', '--max', '1001'], '1000'],
    [['job', 'failures', 'j1', '--max', '0'], 'from 1 on'],
  ] as const) {
    const { code, err } = await node.forebay(...args)
    expect([args, code]).toEqual([args, 2])
    expect(err).toContain(told)
  }
  expect(node.seen).toEqual([])
})

test('job start gives arguments in the types that the kind takes', async () => {
  await node.forebay(
    ...['job', 'start', 'archive', 's3://b', '--arg', 'to=ais://shards', '--arg', 'name=s-%06d'],
    ...['--arg', 'format=tar', '--arg', 'shardBytes=1024', '--arg', 'labels={"a":1}'],
  )
  expect(order()).toEqual({
    kind: 'archive',
    bucket: 's3://b',
    args: {
      to: 'ais://shards',
      name: 's-%06d',
      format: 'tar',
      shardBytes: 1024,
      labels: { a: 1 },
    },
  })
  node.seen.length = 0
  await node.forebay(
    ...['job', 'start', 'prefetch', 's3://b', '--arg', 'keys=a=b', '--arg', 'keys=["c","d"]'],
  )
  expect(order()).toMatchObject({ args: { keys: ['a=b', 'c', 'd'] } })
})

test('job kinds lists them, and one of them with its arguments', async () => {
  expect((await node.forebay('job', 'kinds')).out).toBe(
    'prefetch: Brings objects.\narchive: Writes archives.\n',
  )
  const { out } = await node.forebay('job', 'kinds', 'archive')
  expect(out).toContain('to=string (needed): Bucket.')
  expect(out).toContain('format=tar or zip: ')
})
