import { execFile } from 'node:child_process'
import {
  appendFile,
  mkdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BadInputRig } from './rig.ts'

const run = promisify(execFile)

/** Larger than a block of the file system, and unlike any other object here. */
const BODY = 'The quick brown fox. '.repeat(1000)
const OTHER = 'Another object altogether. '.repeat(778).slice(0, BODY.length)

let rig: BadInputRig

beforeAll(async () => {
  rig = await BadInputRig.start()
})
afterAll(() => rig.close())

const fileOf = (bucket: 'native' | 'remote', key: string): string =>
  join(rig.dataDir, 'mountpath', bucket === 'native' ? 'ais/@/native.1' : 'aws/@/remote.2', key)

/** Ways to spoil the file of an object while nobody runs. */
const DAMAGE: Readonly<Record<string, (path: string, other: string) => Promise<unknown>>> = {
  'is gone': (path) => rm(path),
  'is empty': (path) => truncate(path, 0),
  'is cut in the middle': (path) => truncate(path, BODY.length / 2),
  'is one byte short': (path) => truncate(path, BODY.length - 1),
  'is one byte long': (path) => appendFile(path, '!'),
  'is a FIFO': async (path) => {
    await rm(path)
    await run('mkfifo', [path])
  },
  'is a folder': async (path) => {
    await rm(path)
    await mkdir(path)
  },
  'is a link to another object': async (path, other) => {
    await rm(path)
    await symlink(other, path)
  },
  'is a link to /etc/passwd': async (path) => {
    await rm(path)
    await symlink('/etc/passwd', path)
  },
  'is a link to itself': async (path) => {
    await rm(path)
    await symlink(path, path)
  },
  'is the file of another object of the same size': async (path, other) => {
    await rename(other, path)
  },
}

describe.each(Object.entries(DAMAGE))('I08, I09: a file that %s', (name, spoil) => {
  const id = name.replaceAll(/\W/g, '-')

  test.each(['native', 'remote'] as const)('is never served: bucket %s', async (bucket) => {
    const other = `${id}-other`
    for (const [key, body] of [
      [id, BODY],
      [other, OTHER],
    ] as const) {
      expect((await rig.ask('PUT', `/${bucket}/${key}`, body)).outcome).toBe('200')
    }
    await rig.stop()
    await spoil(fileOf(bucket, id), fileOf(bucket, other))
    await rig.start()
    const before = await rig.metric('forebay_damage_found_total')
    const { outcome, body } = await rig.ask('GET', `/${bucket}/${id}`)
    if (bucket === 'remote')
      expect([outcome, body.slice(0, 60)]).toEqual(['200', BODY.slice(0, 60)])
    // The answer may break off, when the head was sent already; it is never the wrong bytes.
    else expect(outcome).toMatch(/^(5\d\d|closed)/)
    expect(body).not.toContain('Another object')
    expect(body).not.toContain('root:')
    if (bucket === 'remote') expect(body).toBe(BODY)
    expect(await rig.metric('forebay_damage_found_total')).toBeGreaterThan(before)
    // And it can be written again.
    expect((await rig.ask('PUT', `/${bucket}/${id}`, BODY)).outcome).toBe('200')
    expect((await rig.ask('GET', `/${bucket}/${id}`)).body).toBe(BODY)
  })
})

/** Ways to spoil what the node keeps about its objects. */
const RECORDS: Readonly<Record<string, (root: string) => Promise<unknown>>> = {
  'an index that is gone': (root) => rm(join(root, 'index'), { recursive: true }),
  'an index that is empty': (root) => truncate(join(root, 'index/data.mdb'), 0),
  'an index that is cut': (root) => truncate(join(root, 'index/data.mdb'), 4096),
  'an index of garbage': (root) => writeFile(join(root, 'index/data.mdb'), 'garbage'.repeat(5000)),
  'an index with a flipped byte in every page': async (root) => {
    const path = join(root, 'index/data.mdb')
    const bytes = await readFile(path)
    for (let at = 64; at < bytes.length; at += 4096) bytes[at] = (bytes[at] ?? 0) ^ 0xff
    await writeFile(path, bytes)
  },
  'a journal with garbage behind it': (root) =>
    appendFile(join(root, 'journal/0000000001.journal'), 'garbage'.repeat(100)),
  'a sync mark of garbage': (root) => writeFile(join(root, 'state.json'), '{"garbage":'),
}

describe.each(Object.entries(RECORDS))('I07: %s', (name, spoil) => {
  test('never makes a wrong answer', async () => {
    const key = `record-${name.replaceAll(/\W/g, '-')}`
    for (const bucket of ['native', 'remote']) {
      expect((await rig.ask('PUT', `/${bucket}/${key}`, BODY)).outcome).toBe('200')
    }
    await rig.stop()
    await spoil(join(rig.dataDir, 'mountpath', '.forebay'))
    await rig.start()
    const remote = await rig.ask('GET', `/remote/${key}`)
    expect([remote.outcome, remote.body === BODY]).toEqual(['200', true])
    const native = await rig.ask('GET', `/native/${key}`)
    expect(native.outcome).toBe('200')
    expect(native.body).toBe(BODY)
  })
})

test('I07: a bucket table that is cut gives way to the one before it', async () => {
  await rig.stop()
  await writeFile(join(rig.dataDir, 'buckets.json'), '{"buckets":[')
  await rig.start()
  expect((await rig.ask('GET', '/native')).outcome).toMatch(/^(200|404)/)
})
