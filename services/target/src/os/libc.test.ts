import { execFileSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { detectSendfile } from './detect-sendfile.ts'
import {
  bootId,
  boottimeMs,
  cachestatResident,
  mountIdentity,
  mountLine,
  syncfsBlocking,
} from './libc.ts'
import { closeSyncThreads, SYNCS_MAX, syncFileSystem } from './sync-file-system.ts'

const folder = mkdtempSync(join(tmpdir(), 'forebay-libc-'))
afterAll(async () => {
  await closeSyncThreads()
  rmSync(folder, { recursive: true })
})

function open(name: string, flags = 'w+'): number {
  return openSync(join(folder, name), flags)
}

test('sendfile is found to work where node:ffi is', async () => {
  expect(await detectSendfile()).toBe(true)
})

test('residency is per page: written pages are in memory, holes are not', () => {
  const fd = open('resident')
  ftruncateSync(fd, 10 * 4096)
  writeSync(fd, Buffer.alloc(4096, 1), 0, 4096, 2 * 4096)
  expect(cachestatResident(fd, 2 * 4096, 4096)).toBe(true)
  expect(cachestatResident(fd, 2 * 4096 + 4095, 1)).toBe(true)
  expect(cachestatResident(fd, 2 * 4096, 4097)).toBe(false)
  expect(cachestatResident(fd, 2 * 4096 - 1, 2)).toBe(false)
  expect(cachestatResident(fd, 7 * 4096, 1)).toBe(false)
  expect(cachestatResident(fd, 7 * 4096, 0)).toBe(true)
  closeSync(fd)
})

test('residency of a descriptor that is not open is not known', () => {
  expect(cachestatResident(1_000_000, 0, 10)).toBeUndefined()
})

test('a file system is synced, several at once, and a bad descriptor is a disk error', async () => {
  const fd = open('synced')
  writeSync(fd, 'bytes')
  await Promise.all([syncFileSystem(fd), syncFileSystem(fd), syncFileSystem(fd)])
  await syncFileSystem(fd)
  await expect(syncFileSystem(1_000_000)).rejects.toMatchObject({ code: 'disk-error' })
  closeSync(fd)
})

test('syncs beyond the bound are refused', async () => {
  const fd = open('bounded')
  const calls = Array.from({ length: SYNCS_MAX + 1 }, () => syncFileSystem(fd))
  const results = await Promise.allSettled(calls)
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(SYNCS_MAX)
  expect(results.at(-1)).toMatchObject({ reason: { code: 'slow-down' } })
  closeSync(fd)
})

test('syncfs itself reports whether it worked', () => {
  const fd = open('direct')
  expect(syncfsBlocking(fd)).toBe(true)
  closeSync(fd)
  expect(syncfsBlocking(1_000_000)).toBe(false)
})

test('a mount is told from another, and is the same everywhere on it', () => {
  expect(mountIdentity(folder)).toBe(mountIdentity(join(folder, '.')))
  expect(mountIdentity('/proc')).not.toBe(mountIdentity(folder))
  expect(mountIdentity('/proc')).toMatch(/^mount \d+.* dev \d+$/)
  expect(() => mountIdentity(join(folder, 'absent'))).toThrow(/ENOENT/)
})

test('the mount table gives the topmost mount on the longest mount point', () => {
  const table = [
    '22 1 0:21 / / rw - ext4 /dev/vda rw',
    '30 22 8:1 / /data rw - ext4 /dev/sda rw',
    '31 30 8:2 /sub /data rw - ext4 /dev/sdb rw',
    '32 22 8:3 / /data\\040two rw - ext4 /dev/sdc rw',
    '',
  ].join('\n')
  expect(mountLine('/data/x', table)).toBe('mount 31 8:2 /sub /data')
  expect(mountLine('/data', table)).toBe('mount 31 8:2 /sub /data')
  expect(mountLine('/data two/x', table)).toBe('mount 32 8:3 / /data\\040two')
  expect(mountLine('/database', table)).toBe('mount 22 0:21 / /')
  expect(mountLine('/x', undefined)).toBeUndefined()
})

test('the boot has an identity and a clock that goes on', () => {
  expect(bootId()).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
  const before = boottimeMs()
  expect(before).toBeGreaterThan(0)
  expect(boottimeMs()).toBeGreaterThanOrEqual(before)
})

test('without node:ffi everything has an answer, and with it nothing is said on stderr', () => {
  const url = (name: string) => new URL(name, import.meta.url).href
  writeFileSync(join(folder, 'plain'), 'bytes')
  const script = `
    const libc = await import('${url('./libc.ts')}')
    const { detectSendfile } = await import('${url('./detect-sendfile.ts')}')
    const { syncFileSystem } = await import('${url('./sync-file-system.ts')}')
    const { openSync } = await import('node:fs')
    const fd = openSync('${join(folder, 'plain')}', 'r')
    await syncFileSystem(fd)
    const uptime = libc.boottimeMs() / 1000
    process.stdout.write(JSON.stringify({
      has: libc.hasSendfile,
      works: await detectSendfile(),
      sent: libc.sendfile({ socketFd: 1000000, fileFd: fd }, 0, 1),
      resident: libc.cachestatResident(fd, 0, 5) ?? null,
      mount: libc.mountIdentity('/proc').startsWith('mount '),
      boot: libc.bootId() !== undefined,
      clock: uptime > 0 && Math.abs(uptime - Number.parseFloat(
        (await import('node:fs')).readFileSync('/proc/uptime', 'utf8'))) < 5,
    }))`
  const run = (flags: readonly string[]) => {
    const args = [...flags, '--input-type=module', '-e', script]
    const output = execFileSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    return JSON.parse(output.toString())
  }
  const common = { sent: -1, mount: true, boot: true, clock: true }
  expect(run([])).toEqual({ ...common, has: true, works: true, resident: true })
  const without = run(['--no-experimental-ffi'])
  expect(without).toEqual({ ...common, has: false, works: false, resident: null })
  const warned = execFileSync(
    'bash',
    ['-c', '"$0" --input-type=module -e "$1" 2>&1 >/dev/null'].concat(process.execPath, script),
  )
  expect(warned.toString()).toBe('')
})

test('what is read is what the file holds, also beyond 4 GiB', () => {
  const fd = open('large')
  const at = 5 * 2 ** 30 + 4096
  writeSync(fd, Buffer.alloc(4096, 7), 0, 4096, at)
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, at)
  expect(byte[0]).toBe(7)
  expect(cachestatResident(fd, at, 4096)).toBe(true)
  expect(cachestatResident(fd, at - 4096, 4096)).toBe(false)
  closeSync(fd)
})
