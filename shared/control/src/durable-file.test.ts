import { mkdtemp, open, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DOCUMENT_BYTES_MAX, prepareDirectory, readText, replaceFile } from './durable-file.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'forebay-file-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const file = (): string => join(directory, 'document.json')

test('a reader that has the file open keeps the old text, whole', async () => {
  await replaceFile(file(), 'old', 'test')
  const reader = await open(file(), 'r')
  try {
    await replaceFile(file(), 'new', 'test')
    expect(await reader.readFile('utf8')).toBe('old')
  } finally {
    await reader.close()
  }
  expect(await readText(file())).toBe('new')
  expect(await readdir(directory)).toEqual(['document.json'])
})

test('a shorter text leaves nothing of a longer work file of an earlier crash', async () => {
  await writeFile(`${file()}.tmp`, 'x'.repeat(1000))
  await replaceFile(file(), 'short', 'test')
  expect(await readText(file())).toBe('short')
})

test('a file that is not there is no failure, one that cannot be read is', async () => {
  expect(await readText(file())).toBeUndefined()
  await expect(readText(directory)).rejects.toMatchObject({ code: 'disk-error' })
})

test('a file over the limit is refused', async () => {
  await writeFile(file(), '')
  await truncate(file(), DOCUMENT_BYTES_MAX + 1)
  await expect(readText(file())).rejects.toMatchObject({ code: 'disk-error' })
})

test('a directory that is missing is made, with those above it', async () => {
  const deep = join(directory, 'a', 'b')
  await prepareDirectory(deep, [])
  expect(await readdir(deep)).toEqual([])
})
