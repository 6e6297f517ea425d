import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { ScrubFinding, ScrubStatus } from '@forebay/peer/scrub-port'
import { keyIdOf } from '../../objects/context.ts'
import type { Rig } from '../../objects/testing/rig.ts'
import type { ObjectRecord } from '../../store/contract.ts'
import { LocalObjectStore } from '../../store/local-store.ts'
import type { StoreContext } from '../../store/store-context.ts'
import { Scrubber, type ScrubberOptions } from '../scrubber.ts'

/** The store below the objects of a rig. */
export function storeOf(rig: Rig): StoreContext {
  const { store } = rig.context
  if (store instanceof LocalObjectStore) return store.context
  throw new Error('the rig has another store')
}

/** A scrubber over a rig, as fast as it can, without a timetable. */
export function scrubberOf(rig: Rig, options: Partial<ScrubberOptions> = {}): Scrubber {
  return new Scrubber({
    objects: rig.context,
    store: storeOf(rig),
    documentPath: join(rig.directory, 'scrub.json'),
    intervalMs: 0,
    bytesPerSecond: 0,
    filesPerSecond: 0,
    fetchAgain: false,
    observer: { looked: () => undefined, found: () => undefined, ended: () => undefined },
    ...options,
  })
}

/** One whole pass; what it came to. */
export async function scrubOnce(
  rig: Rig,
  options: Partial<ScrubberOptions> = {},
): Promise<ScrubStatus> {
  await storeOf(rig).index.settled()
  const scrubber = scrubberOf(rig, options)
  scrubber.start({})
  await passOf(scrubber)
  await scrubber.close()
  return scrubber.status()
}

/** Waits for the end of the pass under way. */
export async function passOf(scrubber: Scrubber): Promise<void> {
  while (scrubber.status().state === 'running') {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The record of a key; the test put it there. */
export function recordOf(rig: Rig, key: string, bucketId = rig.bucket.id): ObjectRecord {
  const record = rig.context.store.get(bucketId, key)
  if (record === undefined) throw new Error(`no record of ${key}`)
  return record
}

/** Absolute path of a record's file; of an object in a pack with its place there. */
export function pathOf(rig: Rig, record: ObjectRecord): string {
  return join(rig.context.store.mountpathOf(record) ?? '', record.location.path)
}

/** Turns one bit of an object, as a disk would. @param path as `pathOf` says */
export function flipBit(path: string, offset: number): void {
  const [, file = path, start = '0'] = /^(.+)@(\d+)\+\d+$/.exec(path) ?? []
  const at = Number(start) + offset
  const fd = openSync(file, 'r+')
  try {
    const byte = Buffer.alloc(1)
    readSync(fd, byte, 0, 1, at)
    byte[0] = (byte[0] ?? 0) ^ 1
    writeSync(fd, byte, 0, 1, at)
  } finally {
    closeSync(fd)
  }
}

/** Findings in short, in the order of their keys. */
export function brief(
  findings: readonly ScrubFinding[],
): readonly (readonly [key: string, damage: string, action: string])[] {
  return findings
    .map(({ key = '', damage, action }) => [key, damage, action] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** Reads some bytes of an object, and waits until its blocks are recorded. */
export async function readBlock(
  rig: Rig,
  key: string,
  offset: number,
): Promise<Buffer | undefined> {
  const bytes = await rig.get(key, {
    range: { kind: 'from-to', first: offset, last: offset + 99 },
  })
  await rig.idle()
  while (rig.context.locks.isHeld(keyIdOf(rig.bucket, key))) await rig.clock.sleep(1)
  return bytes
}
