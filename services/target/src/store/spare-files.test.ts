import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { type NewFile, SpareFiles } from './spare-files.ts'

const root = mkdtempSync(join(tmpdir(), 'forebay-spares-'))
let made = 0
let failing = false

async function make(): Promise<NewFile> {
  await setImmediate()
  if (failing) throw new Error('the disk is full')
  made += 1
  const relativePath = `work-${made}`
  const fd = openSync(join(root, relativePath), 'wx')
  return { fd, inode: fstatSync(fd).ino, relativePath }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await setImmediate()
}

afterEach(() => {
  made = 0
  failing = false
  for (const name of readdirSync(root)) rmSync(join(root, name))
})

test('files are made after the first was wanted, a bounded number, and each is given once', async () => {
  const spares = new SpareFiles(root)
  expect(spares.take(make)).toBeUndefined()
  await settle()
  expect(readdirSync(root)).toHaveLength(4)
  const taken = [spares.take(make), spares.take(make)]
  expect(new Set(taken.map((file) => file?.relativePath)).size).toBe(2)
  for (const file of taken) expect(fstatSync(file?.fd ?? -1).ino).toBe(file?.inode)
  await settle()
  expect(made).toBe(6)
  await spares.close()
  // What was taken is somebody else's.
  expect(readdirSync(root)).toHaveLength(2)
  for (const file of taken) closeSync(file?.fd ?? -1)
})

test('a file that is being made while it is closed is removed too', async () => {
  const spares = new SpareFiles(root)
  spares.take(make)
  await setImmediate()
  await spares.close()
  expect(readdirSync(root)).toEqual([])
  spares.take(make)
  await settle()
  expect(readdirSync(root)).toEqual([])
})

test('where none can be made, it is tried again when the next one is wanted', async () => {
  const spares = new SpareFiles(root)
  failing = true
  expect(spares.take(make)).toBeUndefined()
  await settle()
  expect(spares.take(make)).toBeUndefined()
  failing = false
  spares.take(make)
  await settle()
  const file = spares.take(make)
  expect(existsSync(join(root, file?.relativePath ?? 'none'))).toBe(true)
  await spares.close()
  closeSync(file?.fd ?? -1)
})
