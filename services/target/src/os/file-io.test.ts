import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readAt, writeFully, writeFullyNow } from './file-io.ts'

const folder = mkdtempSync(join(tmpdir(), 'forebay-io-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('what is written is read, and behind the end there is nothing', async () => {
  const path = join(folder, 'file')
  const fd = openSync(path, 'w+')
  await writeFully(fd, [Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')], 3)
  expect(readFileSync(path).toString()).toBe('\0\0\0one two')
  const into = Buffer.alloc(10)
  expect(await readAt(fd, into, 7)).toBe(3)
  expect(into.toString('utf8', 0, 3)).toBe('two')
  expect(await readAt(fd, into, 10)).toBe(0)
  await writeFully(fd, [], 0)
  writeFullyNow(fd, [Buffer.from('six'), Buffer.from(' ten')], 10)
  expect(readFileSync(path).toString()).toBe('\0\0\0one twosix ten')
  closeSync(fd)
})

test('a full disk and a broken one are told apart', async () => {
  const full = openSync('/dev/full', 'w')
  await expect(writeFully(full, [Buffer.from('x')], 0)).rejects.toMatchObject({
    code: 'out-of-space',
  })
  expect(() => writeFullyNow(full, [Buffer.from('x')], 0)).toThrow(
    expect.objectContaining({ code: 'out-of-space' }),
  )
  closeSync(full)
  const readOnly = openSync(join(folder, 'file'), 'r')
  await expect(writeFully(readOnly, [Buffer.from('x')], 0)).rejects.toMatchObject({
    code: 'disk-error',
  })
  closeSync(readOnly)
  await expect(readAt(1_000_000, Buffer.alloc(1), 0)).rejects.toMatchObject({ code: 'disk-error' })
})
