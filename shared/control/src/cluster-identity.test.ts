import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { isNodeId } from '@forebay/base/ids'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openIdentity } from './cluster-identity.ts'

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'forebay-identity-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const file = (): string => join(dataDir, 'node.json')

test('an identity is made once and kept', async () => {
  const identity = await openIdentity(dataDir, systemClock)
  expect(isNodeId(identity.nodeId)).toBe(true)
  expect(isNodeId(identity.clusterId)).toBe(true)
  expect(identity.nodeId).not.toBe(identity.clusterId)
  expect(await openIdentity(dataDir, systemClock)).toEqual(identity)
})

test('two directories are two nodes', async () => {
  const one = await openIdentity(join(dataDir, 'a', 'b'), systemClock)
  const other = await openIdentity(join(dataDir, 'c'), systemClock)
  expect(one.nodeId).not.toBe(other.nodeId)
  expect(one.clusterId).not.toBe(other.clusterId)
})

test.each([
  ['truncated', (text: string) => text.slice(0, 50)],
  ['empty', () => ''],
  ['changed', (text: string) => text.replace(/"nodeId": "./, '"nodeId": "!')],
  ['another document', () => '{}'],
])('a file that is %s stops the start instead of making another node', async (_, damage) => {
  await openIdentity(dataDir, systemClock)
  const damaged = damage(await readFile(file(), 'utf8'))
  await writeFile(file(), damaged)
  await expect(openIdentity(dataDir, systemClock)).rejects.toMatchObject({
    code: 'disk-error',
    hint: expect.stringContaining('node.json'),
  })
  expect(await readFile(file(), 'utf8')).toBe(damaged)
})

test('a newer format is refused', async () => {
  await openIdentity(dataDir, systemClock)
  const text = await readFile(file(), 'utf8')
  await writeFile(file(), text.replace('"format": 1', '"format": 2'))
  await expect(openIdentity(dataDir, systemClock)).rejects.toMatchObject({ code: 'format-newer' })
})

test('a work file that a crash left is not taken for an identity', async () => {
  await writeFile(`${file()}.tmp`, 'half')
  const identity = await openIdentity(dataDir, systemClock)
  expect(await openIdentity(dataDir, systemClock)).toEqual(identity)
})
