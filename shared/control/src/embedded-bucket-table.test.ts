import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { armFailpoints } from '@forebay/base/failpoint'
import type { BucketRef, Provider } from '@forebay/model/bucket'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EmbeddedBucketTable } from './embedded-bucket-table.ts'

const CLUSTER = 'C1C1C1C1C1C1'

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'forebay-table-'))
})
afterEach(async () => {
  armFailpoints('')
  await rm(dataDir, { recursive: true, force: true })
})

const open = (clusterId = CLUSTER): Promise<EmbeddedBucketTable> =>
  EmbeddedBucketTable.open({ dataDir, clusterId, clock: systemClock })

const ref = (name: string, provider: Provider = 'ais'): BucketRef => ({
  provider,
  namespace: { uuid: '', name: '' },
  name,
})

const names = (table: EmbeddedBucketTable): readonly string[] =>
  table.list().map((bucket) => bucket.ref.name)

const newest = (): string => join(dataDir, 'buckets.json')
const previous = (): string => join(dataDir, 'buckets.previous.json')

const code = (expected: string): object => expect.objectContaining({ code: expected })

describe('look-ups', () => {
  test('a bucket is found by name, provider, identity and id', async () => {
    const table = await open()
    const bucket = await table.create(ref('data'))
    expect(table.get('data')).toEqual([bucket])
    expect(table.get('data', 'ais')).toEqual([bucket])
    expect(table.get('data', 'aws')).toEqual([])
    expect(table.find(ref('data'))).toBe(bucket)
    expect(table.byId(bucket.id)).toBe(bucket)
    expect(table.get('other')).toEqual([])
    expect(table.byId(99)).toBeUndefined()
  })

  test('one name in two providers gives both, the native one first', async () => {
    const table = await open()
    const aws = await table.create(ref('data', 'aws'), {
      backend: { provider: 'aws', bucket: 'data' },
    })
    const native = await table.create(ref('data'))
    expect(table.get('data')).toEqual([native, aws])
    expect(table.get('data', 'aws')).toEqual([aws])
  })

  test('an alias finds the bucket', async () => {
    const table = await open()
    const bucket = await table.create(ref('data'), { aliases: ['d', 'd2', 'd'] })
    expect(bucket.aliases).toEqual(['d', 'd2'])
    expect(table.get('d2')).toEqual([bucket])
  })

  test('a name in another namespace is not found by name alone', async () => {
    const table = await open()
    const away = { ...ref('data'), namespace: { uuid: 'remote', name: 'ns' } }
    const bucket = await table.create(away)
    expect(table.get('data')).toEqual([])
    expect(table.find(away)).toBe(bucket)
    await expect(table.create(ref('data'))).resolves.toBeDefined()
  })

  test('rows and lists are frozen', async () => {
    const table = await open()
    const bucket = await table.create(ref('data', 'aws'), {
      backend: { provider: 'aws', bucket: 'x' },
      properties: { revalidate: { kind: 'always' } },
    })
    const parts = [
      bucket,
      bucket.ref,
      bucket.ref.namespace,
      bucket.backend,
      bucket.properties,
      bucket.aliases,
      table.list(),
      table.get('data'),
    ]
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true)
  })
})

describe('changes', () => {
  test('a change raises the version by one and names its parent', async () => {
    const table = await open()
    const before = table.document
    await table.create(ref('a'))
    expect(table.version).toBe(before.version + 1)
    expect(table.document.parentHash).toBe(before.hash)
  })

  test('what the S3 API keeps with a bucket is merged, lasts, and goes when it is reset', async () => {
    const table = await open()
    const { id } = await table.create(ref('a'))
    const tags = [{ key: 'team', value: 'blue' }]
    const cors = [
      {
        id: 'r',
        allowedOrigins: ['*'],
        allowedMethods: ['GET' as const],
        allowedHeaders: [],
        exposeHeaders: [],
        maxAgeSeconds: 5,
      },
    ]
    await table.update(id, { s3: { tags } })
    await table.update(id, { s3: { cors } })
    expect((await open()).byId(id)?.s3).toEqual({ tags, cors })
    await table.update(id, { s3: { tags: undefined } })
    expect((await open()).byId(id)?.s3).toEqual({ cors })
    await table.update(id, { s3: { cors: undefined } })
    expect((await open()).byId(id)?.s3).toBeUndefined()
  })

  test('names are unique in a provider, aliases over all buckets and names', async () => {
    const table = await open()
    await table.create(ref('a'), { aliases: ['x'] })
    const version = table.version
    await expect(table.create(ref('a'))).rejects.toEqual(code('bucket-exists'))
    await expect(table.create(ref('b'), { aliases: ['x'] })).rejects.toEqual(code('bucket-exists'))
    await expect(table.create(ref('b'), { aliases: ['a'] })).rejects.toEqual(code('bucket-exists'))
    await expect(table.create(ref('b'), { aliases: ['b'] })).rejects.toEqual(code('bucket-exists'))
    await expect(table.create(ref('x'))).rejects.toEqual(code('bucket-exists'))
    expect(table.version).toBe(version)
    expect(names(table)).toEqual(['a'])
  })

  test.each(['', '.', '..', '.hidden', 'a/b', 'a..b', 'a b', 'ä', 'a\0', 'x'.repeat(256)])(
    'the name %j is refused as a name, an alias and a bucket of a backend',
    async (name) => {
      const table = await open()
      const invalid = code('bucket-name-invalid')
      await expect(table.create(ref(name))).rejects.toEqual(invalid)
      await expect(table.create(ref('a'), { aliases: [name] })).rejects.toEqual(invalid)
      const backend = { provider: 'aws', bucket: name } as const
      await expect(table.create(ref('a', 'aws'), { backend })).rejects.toEqual(invalid)
      expect(names(table)).toEqual([])
    },
  )

  test('a directory of a web server is a URL with a slash at its end', async () => {
    const table = await open()
    const create = (bucket: string) =>
      table.create(ref('web', 'ais'), { backend: { provider: 'http', bucket } })
    for (const url of ['https://host/data', 'data', 'file:///data/', 'http://:secret@host/data/']) {
      await expect(create(url)).rejects.toMatchObject({ code: 'bucket-name-invalid' })
    }
    await create('https://host/data/')
  })

  test('an endpoint with credentials never gets into the table', async () => {
    const table = await open()
    const backend = { provider: 'aws', bucket: 'b', endpoint: 'http://key:secret@host' } as const
    const refusal = await table
      .create(ref('a', 'aws'), { backend })
      .catch((error: unknown) => error)
    expect(refusal).toEqual(code('argument-invalid'))
    expect(String(refusal)).not.toContain('secret')
  })

  test.each([
    { staleIfErrorMs: Number.NaN },
    { staleIfErrorMs: -1 },
    { sparseThresholdBytes: Number.POSITIVE_INFINITY },
    { blockBytes: 3 * 1024 ** 2 },
  ])('the property %j is refused and nothing changes', async (properties) => {
    const table = await open()
    const bucket = await table.create(ref('a'))
    const bytes = await readFile(newest())
    await expect(table.update(bucket.id, { properties })).rejects.toEqual(code('property-invalid'))
    await expect(table.create(ref('b'), { properties })).rejects.toEqual(code('property-invalid'))
    expect(table.byId(bucket.id)).toBe(bucket)
    expect(await readFile(newest())).toEqual(bytes)
  })

  test('an update merges properties and undefined resets one', async () => {
    const table = await open()
    const { id } = await table.create(ref('a'), {
      properties: { cache: 'bypass', staleIfErrorMs: 1000 },
    })
    const updated = await table.update(id, { properties: { cache: undefined, syncWrites: false } })
    expect(updated.properties).toEqual({ staleIfErrorMs: 1000, syncWrites: false })
    expect(Object.hasOwn(updated.properties, 'cache')).toBe(false)
    expect((await open()).byId(id)).toEqual(updated)
  })

  test('an update that changes nothing keeps version and row', async () => {
    const table = await open()
    const bucket = await table.create(ref('a'), { aliases: ['x'], properties: { cache: 'bypass' } })
    const version = table.version
    const change = { aliases: ['x'], properties: { cache: 'bypass' } } as const
    expect(await table.update(bucket.id, change)).toBe(bucket)
    expect(table.version).toBe(version)
  })

  test('an update of no bucket is refused, a destroy of none answers false', async () => {
    const table = await open()
    await expect(table.update(1, {})).rejects.toEqual(code('bucket-not-found'))
    await expect(table.destroy(1)).resolves.toBe(false)
  })

  test('a bucket that is renamed keeps its id and what is set, and is found by the new name alone', async () => {
    const table = await open()
    const bucket = await table.create(ref('old'), { aliases: ['nick'] })
    const renamed = await table.rename(bucket.id, ref('new'))
    expect(renamed).toEqual({ ...bucket, ref: ref('new') })
    const again = await open()
    expect(again.get('old')).toEqual([])
    expect(again.get('new')).toEqual([renamed])
    expect(again.get('nick')).toEqual([renamed])
    expect(again.byId(bucket.id)).toEqual(renamed)
  })

  test('a name that is taken, bad, or of no bucket is refused, and nothing has changed', async () => {
    const table = await open()
    const bucket = await table.create(ref('old'))
    await table.create(ref('taken'), { aliases: ['alias'] })
    const { version } = table
    for (const name of ['taken', 'alias']) {
      await expect(table.rename(bucket.id, ref(name))).rejects.toEqual(code('bucket-exists'))
    }
    await expect(table.rename(bucket.id, ref('a/b'))).rejects.toEqual(code('bucket-name-invalid'))
    await expect(table.rename(99, ref('new'))).rejects.toEqual(code('bucket-not-found'))
    expect(table.version).toBe(version)
    await table.rename(bucket.id, ref('old'))
    expect(table.version).toBe(version)
  })

  test('the id of a destroyed bucket never comes back, also after a restart', async () => {
    const table = await open()
    const first = await table.create(ref('a'))
    await expect(table.destroy(first.id)).resolves.toBe(true)
    expect(table.get('a')).toEqual([])
    const second = await table.create(ref('a'))
    expect(second.id).toBeGreaterThan(first.id)
    await table.destroy(second.id)
    const third = await (await open()).create(ref('a'))
    expect(third.id).toBeGreaterThan(second.id)
  })

  test('destroyed ids are remembered as ranges', async () => {
    const table = await open()
    const ids: number[] = []
    for (const name of ['a', 'b', 'c', 'd', 'e']) ids.push((await table.create(ref(name))).id)
    for (const at of [0, 2, 1, 4]) await table.destroy(ids[at] ?? 0)
    expect((await open()).document.destroyed).toEqual([
      [1, 3],
      [5, 5],
    ])
  })

  test('changes that come together are applied one after the other, none is lost', async () => {
    const table = await open()
    const many = Array.from({ length: 20 }, (_, at) => `b${at}`)
    const made = await Promise.all(many.map((name) => table.create(ref(name))))
    expect(new Set(made.map(({ id }) => id)).size).toBe(20)
    expect(new Set(names(await open()))).toEqual(new Set(many))
  })

  test('of two that want one name, one gets it', async () => {
    const table = await open()
    const outcomes = await Promise.allSettled([table.create(ref('a')), table.create(ref('a'))])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('after a restart', () => {
  test('the table is what it was', async () => {
    const table = await open()
    expect(table.start).toEqual({ kind: 'new' })
    await table.create(ref('a', 'aws'), {
      backend: {
        provider: 'aws',
        bucket: 'origin',
        endpoint: 'http://127.0.0.1:9000',
        region: 'eu-west-1',
        profile: 'p',
        forcePathStyle: true,
      },
      aliases: ['x'],
      properties: { revalidate: { kind: 'after', ttlMs: 1000 }, cache: 'read-only' },
    })
    await table.create(ref('b'))
    const again = await open()
    expect(again.start).toEqual({ kind: 'current' })
    expect(again.document).toEqual(table.document)
    expect(again.version).toBe(table.version)
  })

  test('the directory of another cluster is refused', async () => {
    await open()
    await expect(open('C2C2C2C2C2C2')).rejects.toEqual(code('setting-invalid'))
  })
})

describe('damage', () => {
  const damages: readonly (readonly [string, () => Promise<void>])[] = [
    ['truncated', () => truncate(newest(), 40)],
    ['empty', () => truncate(newest(), 0)],
    ['missing', () => rm(newest())],
    ['garbage', () => writeFile(newest(), Buffer.from([0xff, 0, 0x7b, 0x22]))],
    ['other JSON', () => writeFile(newest(), '{"format":1}')],
    [
      'changed by one letter',
      async () =>
        writeFile(newest(), (await readFile(newest(), 'utf8')).replace('"second"', '"sEcond"')),
    ],
  ]

  test.each(damages)('a newest copy that is %s gives way to the one before', async (_, damage) => {
    const table = await open()
    await table.create(ref('first'))
    const lost = await table.create(ref('second'))
    await damage()
    const again = await open()
    expect(again.start).toMatchObject({ kind: 'previous' })
    expect(names(again)).toEqual(['first'])
    // The lost version may turn up again: ours outranks it, and its ids stay unused.
    expect(again.document.epoch).toBe(table.document.epoch + 1)
    expect((await again.create(ref('third'))).id).toBeGreaterThan(lost.id)
    expect((await open()).start).toEqual({ kind: 'current' })
  })

  test('a damaged previous copy does no harm and is replaced by the next change', async () => {
    const table = await open()
    await table.create(ref('a'))
    await writeFile(previous(), 'garbage')
    const again = await open()
    expect(names(again)).toEqual(['a'])
    await again.create(ref('b'))
    await rm(newest())
    expect(names(await open())).toEqual(['a'])
  })

  test('two damaged copies stop the start and say what to do', async () => {
    const table = await open()
    await table.create(ref('a'))
    await writeFile(previous(), 'garbage')
    await truncate(newest(), 10)
    const error: unknown = await open().catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'disk-error',
      hint: expect.stringContaining('buckets.json'),
    })
    expect(String(error)).toContain(newest())
    expect(await readFile(previous(), 'utf8')).toBe('garbage')
  })

  test('one damaged copy and no other stops the start: it is no new table', async () => {
    await open()
    await truncate(newest(), 10)
    await expect(open()).rejects.toEqual(code('disk-error'))
  })

  test('a newer format is refused whichever copy has it, and left as it is', async () => {
    const table = await open()
    await table.create(ref('a'))
    for (const path of [newest(), previous()]) {
      const text = await readFile(path, 'utf8')
      const newer = text.replace('"format": 1', '"format": 2')
      expect(newer).not.toBe(text)
      await writeFile(path, newer)
      await expect(open()).rejects.toEqual(code('format-newer'))
      expect(await readFile(path, 'utf8')).toBe(newer)
      await writeFile(path, text)
    }
    await expect(open()).resolves.toBeDefined()
  })

  test('work files that a crash left are removed', async () => {
    await open()
    await writeFile(`${newest()}.tmp`, 'half')
    await writeFile(`${previous()}.tmp`, 'half')
    await open()
    expect(await readdir(dataDir)).toEqual(['buckets.json'])
  })

  test('a directory that cannot be written is a disk-error', async () => {
    await writeFile(join(dataDir, 'file'), '')
    const blocked = join(dataDir, 'file', 'below')
    const opening = EmbeddedBucketTable.open({
      dataDir: blocked,
      clusterId: CLUSTER,
      clock: systemClock,
    })
    await expect(opening).rejects.toEqual(code('disk-error'))
  })

  test('the file can be read by its owner only', async () => {
    await open()
    const { mode } = await stat(newest())
    expect(mode & 0o777).toBe(0o600)
  })
})

const STEPS = [
  'bucket-table.previous.written',
  'bucket-table.previous.synced',
  'bucket-table.previous.renamed',
  'bucket-table.newest.written',
  'bucket-table.newest.synced',
  'bucket-table.newest.renamed',
] as const

describe('a disk that fails', () => {
  test.each(STEPS)('at %s: the change is refused, and later ones work', async (step) => {
    const table = await open()
    await table.create(ref('first'))
    armFailpoints(`${step}=throw`)
    await expect(table.create(ref('second'))).rejects.toEqual(code('disk-error'))
    armFailpoints('')
    expect(names(table)).toEqual(['first'])
    const onDisk = (await open()).document
    const third = await table.create(ref('third'))
    expect(names(table)).toEqual(['first', 'third'])
    // What the failed write may have left on disk had another version and another id.
    expect(table.version).toBeGreaterThan(onDisk.version)
    expect(
      onDisk.buckets.filter(({ ref: { name } }) => name === 'second').map(({ id }) => id),
    ).not.toContain(third.id)
    expect(names(await open())).toEqual(['first', 'third'])
  })
})

describe('a process that dies', () => {
  test.each(STEPS)('at %s leaves the table before or after the change, whole', async (step) => {
    const table = await open()
    await table.create(ref('first'))
    const module = new URL('./embedded-bucket-table.ts', import.meta.url).href
    const script = `
      const { EmbeddedBucketTable } = await import(${JSON.stringify(module)})
      const { armFailpoints } = await import('@forebay/base/failpoint')
      const { systemClock } = await import('@forebay/base/clock')
      const table = await EmbeddedBucketTable.open({
        dataDir: ${JSON.stringify(dataDir)}, clusterId: '${CLUSTER}', clock: systemClock })
      const ref = (name) => ({ provider: 'ais', namespace: { uuid: '', name: '' }, name })
      await table.create(ref('second'))
      armFailpoints('${step}=kill')
      await table.create(ref('third'))`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect(child.signal, child.stderr).toBe('SIGKILL')
    const again = await open()
    expect(again.start).toEqual({ kind: 'current' })
    const committed = step === 'bucket-table.newest.renamed'
    expect(names(again)).toEqual(committed ? ['first', 'second', 'third'] : ['first', 'second'])
  })
})
