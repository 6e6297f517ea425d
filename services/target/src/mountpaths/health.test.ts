import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { diskFailure } from '../os/disk-gate.ts'
import type { LocalObjectStore } from '../store/local-store.ts'
import { type Opened, openTestStore, temporaryDirectory } from '../store/testing/store-fixture.ts'
import { HEALTH_DEFAULT, type HealthOptions } from './health.ts'
import { lookAt, probe } from './probe.ts'

const QUICK: HealthOptions = {
  ...HEALTH_DEFAULT,
  errorLimit: 3,
  checkIntervalMs: 20,
  probeTimeoutMs: 300,
  returnAfterMs: 50,
  returnsMax: 1,
}

let home = ''
let opened: Opened | undefined
beforeEach(() => {
  home = temporaryDirectory()
})
afterEach(async () => {
  await opened?.store.close()
  opened = undefined
  rmSync(home, { recursive: true, force: true })
})

const at = (name: string): string => join(home, name)
const marker = (name: string): string => join(at(name), '.forebay', 'marker.json')

async function open(
  names: readonly string[],
  options: Partial<HealthOptions> = {},
): Promise<LocalObjectStore> {
  opened = await openTestStore(names.map(at), {
    indexDir: at('index'),
    mountpathTable: at('mountpaths.json'),
    health: { ...QUICK, ...options },
  })
  return opened.store
}

const rowOf = (store: LocalObjectStore, name: string) =>
  store.mountpaths.list().find(({ path }) => path === at(name))

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 10_000 }).toBe(true)
}

/** An error as the system gives it for a file on the mountpath. */
function meetError(name: string, code: string): void {
  const path = join(at(name), 'ais/file')
  diskFailure(Object.assign(new Error(`${code}: open '${path}'`), { code, path }), 'reading')
}

test('a mountpath whose disk is gone leaves service, and comes back by itself, so often a day', async () => {
  const store = await open(['a', 'b'])
  for (const state of ['enabled', 'faulted']) {
    renameSync(at('b'), at('elsewhere'))
    await until(() => rowOf(store, 'b')?.state === 'faulted')
    expect(rowOf(store, 'b')?.reason).toContain('not be mounted')
    expect(store.context.drives.map(({ mountpath }) => mountpath.root)).toEqual([at('a')])
    renameSync(at('elsewhere'), at('b'))
    if (state === 'enabled') await until(() => rowOf(store, 'b')?.state === 'enabled')
  }
  // Once was enough for a day; by order it comes all the same.
  await store.context.clock.sleep(200)
  expect(rowOf(store, 'b')?.state).toBe('faulted')
  await store.mountpaths.enable(at('b'))
  expect(rowOf(store, 'b')?.state).toBe('enabled')
})

test('another mountpath in the place of one makes it leave service', async () => {
  const store = await open(['a', 'b'])
  const text = readFileSync(marker('b'), 'utf8')
  writeFileSync(marker('b'), text.replace(/"uuid": "[^"]*"/, '"uuid": "other"'))
  await until(() => rowOf(store, 'b')?.state === 'faulted')
  expect(rowOf(store, 'b')?.reason).toContain('another mountpath')
})

test('a disk that hangs makes its mountpath leave service, and nobody waits for it', async () => {
  const store = await open(['a', 'b'])
  rmSync(marker('b'))
  execFileSync('mkfifo', [marker('b')])
  try {
    await until(() => rowOf(store, 'b')?.state === 'faulted')
    expect(rowOf(store, 'b')?.reason).toContain('took more than 300 ms')
  } finally {
    // Those who read it find a writer, and then the end.
    closeSync(openSync(marker('b'), constants.O_RDWR))
    rmSync(marker('b'))
  }
})

test('errors of a disk are counted, and a probe that passes leaves its mountpath in service', async () => {
  const store = await open(['a', 'b'], { errorLimit: 3 })
  for (const code of ['EIO', 'EIO', 'EROFS']) meetError('b', code)
  // What says nothing about the disk.
  for (const code of ['ENOENT', 'ENOSPC', 'EMFILE']) meetError('b', code)
  expect(rowOf(store, 'b')?.errorCount).toBe(3)
  expect(rowOf(store, 'a')?.errorCount).toBe(0)
  await store.context.clock.sleep(50)
  expect(rowOf(store, 'b')?.state).toBe('enabled')
})

test('a disk that passes its probes and fails its users again and again leaves service', async () => {
  const store = await open(['a', 'b'], { checkIntervalMs: 60_000 })
  for (let round = 0; rowOf(store, 'b')?.state !== 'faulted' && round < 100; round++) {
    for (let error = 0; error < 3; error++) meetError('b', 'EIO')
    await store.context.clock.sleep(20)
  }
  expect(rowOf(store, 'b')?.reason).toBe('its users meet error after error')
  expect(rowOf(store, 'a')?.state).toBe('enabled')
})

test('the last mountpath stays in service when it fails, and the node says so until it does not', async () => {
  const store = await open(['a'])
  expect(store.health?.failing()).toEqual([])
  const text = readFileSync(marker('a'), 'utf8')
  rmSync(marker('a'))
  await until(() => store.health?.failing().length === 1)
  expect(rowOf(store, 'a')?.state).toBe('enabled')
  const told = opened?.events.filter(({ event }) => event === 'mountpath-failing')
  expect(told).toHaveLength(1)
  writeFileSync(marker('a'), text)
  await until(() => store.health?.failing().length === 0)
})

test('by order a mountpath is looked at now', async () => {
  const store = await open(['a', 'b'], { checkIntervalMs: 60_000 })
  await store.health?.check(at('b'))
  expect(rowOf(store, 'b')?.state).toBe('enabled')
  renameSync(at('b'), at('elsewhere'))
  await store.health?.check(at('b'))
  expect(rowOf(store, 'b')?.state).toBe('faulted')
  await expect(store.health?.check(at('c'))).rejects.toMatchObject({ code: 'argument-invalid' })
})

test('a probe leaves nothing behind, and tells a directory from the mountpath that was there', async () => {
  const store = await open(['a'])
  const [drive] = store.context.drives
  const { uuid = '', device } = drive?.mountpath ?? {}
  expect(await probe({ path: at('a'), uuid, device }, 1000)).toBeUndefined()
  expect(() => readFileSync(join(at('a'), '.forebay', 'probe'))).toThrow(/ENOENT/)
  expect(await lookAt({ path: at('a'), uuid, device: -1 }, 1000)).toContain('another file system')
  mkdirSync(at('empty'))
  expect(await lookAt({ path: at('empty'), uuid, device }, 1000)).toContain('may not be mounted')
})
