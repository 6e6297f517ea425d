import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ListAnswer, ListRequest } from '@forebay/peer/target-port'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { INVENTORY_WORK } from '../jobs/kinds/inventory.ts'
import { JobRig } from '../jobs/testing/job-rig.ts'

const signal = new AbortController().signal

let rig: JobRig
let bucket: BucketRecord
let builds = 0

beforeEach(async () => {
  rig = await JobRig.open()
  bucket = await rig.stored('big')
})

afterEach(() => rig.close())

/** Puts behind the node's back. */
function behind(keys: readonly string[], bytes = 'abc'): void {
  for (const key of keys) rig.remote.put('big', key, Buffer.from(bytes))
}

async function build(args = {}): Promise<void> {
  builds += 1
  const job = { ...rig.job('inventory', bucket, args), id: `job${builds}` }
  const results = await rig.run(INVENTORY_WORK, job)
  expect(Object.values(results)).toEqual(['done'])
}

type Asked = Partial<ListRequest>

function page(asked: Asked): Promise<ListAnswer> {
  return rig.context.target.list({ bucket, prefix: '', pageMax: 1000, signal, ...asked })
}

/** All pages. */
async function all(asked: Asked): Promise<unknown> {
  const objects: unknown[] = []
  const prefixes: string[] = []
  let token: string | undefined
  do {
    const answer = await page({ ...asked, token })
    objects.push(...answer.objects.map(({ key, etag, sizeBytes }) => ({ key, etag, sizeBytes })))
    prefixes.push(...answer.commonPrefixes)
    token = answer.nextToken
  } while (token !== undefined)
  return { objects, prefixes }
}

/** The list of the inventory is that of the store; @returns how many pages the store was not asked for */
async function expectSame(asked: Asked): Promise<void> {
  expect(await all({ ...asked, inventory: true })).toEqual(await all(asked))
}

const isFromDisk = async (asked: Asked = {}): Promise<boolean> => {
  const { nextToken } = await page({ ...asked, pageMax: 1, inventory: true })
  return nextToken?.startsWith('2.') === true
}

describe('an inventory', () => {
  it('lists what the store lists, in pages, by prefix, delimiter and start', async () => {
    behind(Array.from({ length: 2500 }, (_, at) => `d${at % 7}/e${at % 3}/k${at}`))
    behind(['a', 'd1', 'd1/', 'é', '\u{ffee}', '\u{1f600}', 'z'])
    await build()
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
    await expectSame({ pageMax: 7, delimiter: '/' })
    await expectSame({ prefix: 'd1', pageMax: 300 })
    await expectSame({ prefix: 'd1/', delimiter: '/', pageMax: 1 })
    await expectSame({ prefix: 'd1/', after: 'd1/e1/k1', pageMax: 100 })
    await expectSame({ prefix: 'none' })
    await expectSame({ prefix: 'd2/', after: 'z' })
  })

  it('shows what this node wrote and deleted at once, and the rest with the next one', async () => {
    behind(['a', 'b', 'c'])
    await build()
    await rig.put(bucket, 'aa', 'new')
    await rig.put(bucket, 'b', 'written anew')
    await rig.remove(bucket, 'c')
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
    behind(['d'])
    expect(await all({ inventory: true })).not.toEqual(await all({}))
    await build()
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
    const facts = rig.context.inventories?.factsOf(bucket.id)
    expect(facts).toMatchObject({ objects: 4, changedKeys: 0, isUsable: true })
  })

  it('shows what the store made by itself in its size: copies, and uploads in parts', async () => {
    behind(['a', 'b'], 'twelve bytes')
    await build()
    const { target } = rig.context
    const source = { bucket, key: 'a' }
    const copy = { bucket, source, conditions: {}, signal }
    await target.copy({ ...copy, key: 'c/1', sourceConditions: {} })
    const etag = rig.remote.get('big', 'a')?.etag ?? ''
    const pinned = { sourceConditions: { ifMatch: [etag] }, sourceSizeBytes: 12 }
    await target.copy({ ...copy, ...pinned, key: 'c/2' })
    const upload = { bucket, key: 'c/3', signal }
    const { uploadId } = await target.createUpload({ ...upload, headers: {}, metadata: {} })
    const part = await target.copyPart({
      ...{ ...upload, uploadId, partNumber: 1, source, sourceConditions: {} },
    })
    const parts = [{ ...part, partNumber: 1 }]
    await target.completeUpload({ ...upload, uploadId, parts, conditions: {} })
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
    rig.remote.resetCounts()
    await expectSame({ prefix: 'c/2' })
    // The size was known: one list for the comparison, and no question about the object.
    expect([rig.remote.requestCount('list'), rig.remote.requestCount('head')]).toEqual([1, 0])
  })

  it('shows more changes than a page copies at once, each once and in order', async () => {
    behind(Array.from({ length: 400 }, (_, at) => `d${at % 3}/k${String(at).padStart(4, '0')}`))
    await build()
    for (let at = 0; at < 300; at++) {
      const key = `d${at % 4}/k${String(at).padStart(4, '0')}`
      if (at % 5 === 0) await rig.remove(bucket, key)
      else await rig.put(bucket, key, `new ${at}`)
    }
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
    await expectSame({ pageMax: 250 })
    await expectSame({ delimiter: '/', pageMax: 2 })
    await expectSame({ prefix: 'd1/', after: 'd1/k0250', pageMax: 100 })
  })

  it('in another form is not used, and the next one replaces it', async () => {
    behind(['a', 'b'])
    await build()
    const path = `${rig.inventoryDirectory}/${bucket.id}/manifest.json`
    writeFileSync(path, readFileSync(path, 'utf8').replace('"format":2', '"format":1'))
    await rig.restart()
    expect(await isFromDisk()).toBe(false)
    await build()
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
  })

  it('that cannot be read any more is given up: the store is asked', async () => {
    behind(['a', 'b'])
    await build()
    const folder = `${rig.inventoryDirectory}/${bucket.id}`
    const names = readdirSync(folder).find((name) => name.endsWith('.names'))
    writeFileSync(`${folder}/${names}`, 'nothing')
    expect(await isFromDisk()).toBe(false)
    await expectSame({})
  })

  it('takes what events of the store tell', async () => {
    behind(['a', 'b', 'c'])
    await build()
    behind(['b'], 'longer than before')
    behind(['bb'])
    rig.remote.bucket('big').delete('a')
    for (const key of ['a', 'b', 'bb']) {
      await rig.context.target.noticeChange({ bucket, key, now: { kind: 'unknown' }, signal })
    }
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
  })

  it('asks the store for a page with many keys of which nobody knows', async () => {
    behind(Array.from({ length: 100 }, (_, at) => `k${at}`))
    await build()
    for (let at = 0; at < 50; at++) {
      const key = `k${at}`
      await rig.context.target.noticeChange({ bucket, key, now: { kind: 'unknown' }, signal })
    }
    rig.remote.bucket('big').delete('k7')
    await expectSame({})
  })

  it('is not used when an event says that anything may have changed, until the next one', async () => {
    behind(['a', 'b'])
    await build()
    await rig.context.target.noticeChange({
      ...{ bucket, key: undefined, now: { kind: 'unknown' }, signal },
    })
    expect(await isFromDisk()).toBe(false)
    await build()
    expect(await isFromDisk()).toBe(true)
  })

  it('is not used when it is older than it may be', async () => {
    behind(['a', 'b'])
    await build({ maxAge: '1h' })
    rig.nowMs += 3_600_000
    expect(await isFromDisk()).toBe(true)
    rig.nowMs += 1
    expect(await isFromDisk()).toBe(false)
  })

  it('is not used when the clock was set back by more than it may be old', async () => {
    behind(['a', 'b'])
    await build({ maxAge: '1h' })
    rig.nowMs -= 3_600_000
    expect(await isFromDisk()).toBe(true)
    rig.nowMs -= 1
    expect(await isFromDisk()).toBe(false)
  })

  it('goes on at the store where it ended at a page of an inventory that is too old', async () => {
    behind(Array.from({ length: 30 }, (_, at) => `d${at % 10}/k${at}`))
    await build({ maxAge: '1h' })
    const asked = { delimiter: '/', pageMax: 4 }
    const first = await page({ ...asked, inventory: true })
    rig.nowMs += 3_600_001
    const rest = await page({ ...asked, pageMax: 1000, token: first.nextToken })
    expect([...first.commonPrefixes, ...rest.commonPrefixes]).toEqual(
      (await page({ delimiter: '/' })).commonPrefixes,
    )
  })

  it('goes on where it was after the node ended midway, and keeps what changed meanwhile', async () => {
    behind(Array.from({ length: 2500 }, (_, at) => `k${String(at).padStart(5, '0')}`))
    await build()
    const job = { ...rig.job('inventory', bucket, {}), id: 'again' }
    const lease = { signal, check: () => undefined }
    const step = await INVENTORY_WORK.list(rig.context, { job, cursor: undefined, lease })
    await rig.put(bucket, 'k00000', 'changed behind the page')
    await rig.remove(bucket, 'k00001')
    // The page behind the cursor was written and its step was not stored.
    await INVENTORY_WORK.list(rig.context, { job, cursor: step.cursor, lease })
    await rig.restart()
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
    let { cursor } = step
    let items: Awaited<ReturnType<typeof INVENTORY_WORK.list>>['pages'][number]['items'] = []
    while (cursor !== undefined) {
      const listed = await INVENTORY_WORK.list(rig.context, { job, cursor, lease })
      items = listed.pages[0]?.items ?? items
      cursor = listed.cursor
    }
    for (const item of items) {
      await rig.apply(INVENTORY_WORK, job, item)
      await rig.apply(INVENTORY_WORK, job, item)
    }
    expect(await isFromDisk()).toBe(true)
    await expectSame({})
  })

  it('leaves no file of one that never came to its end', async () => {
    behind(['a', 'b'])
    const job = { ...rig.job('inventory', bucket, {}), id: 'left' }
    await rig.list(INVENTORY_WORK, job)
    await build()
    const files = readdirSync(`${rig.inventoryDirectory}/${bucket.id}`)
    expect(files.filter((name) => name.includes('left'))).toEqual([])
    expect(files).toHaveLength(5)
  })

  it('refuses the pages of a build after another one was begun', async () => {
    behind(Array.from({ length: 1500 }, (_, at) => `k${at}`))
    const job = { ...rig.job('inventory', bucket, {}), id: 'first' }
    const lease = { signal, check: () => undefined }
    const { cursor } = await INVENTORY_WORK.list(rig.context, { job, cursor: undefined, lease })
    await build()
    await expect(INVENTORY_WORK.list(rig.context, { job, cursor, lease })).rejects.toMatchObject({
      code: 'job-state-invalid',
    })
  })

  it('is none of a native bucket', async () => {
    const native = await rig.native('own')
    const job = rig.job('inventory', native, {})
    await expect(rig.list(INVENTORY_WORK, job)).rejects.toMatchObject({ code: 'bucket-not-remote' })
  })

  it('goes with its bucket', async () => {
    behind(['a', 'b'])
    await build()
    await rig.context.target.dropBucket(bucket)
    expect(readdirSync(rig.inventoryDirectory)).toEqual([])
  })

  it('lists as the store does after any changes, builds and restarts', async () => {
    const keys = fc.constantFrom('a', 'a/1', 'a/2', 'b', 'b/é', 'b/\u{1f600}', 'c', 'c/')
    const steps = fc.oneof(
      fc.record({ what: fc.constant('put' as const), key: keys }),
      fc.record({ what: fc.constant('remove' as const), key: keys }),
      fc.record({ what: fc.constant('build' as const), key: keys }),
      fc.record({ what: fc.constant('restart' as const), key: keys }),
    )
    let written = 0
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 15 }), async (plan) => {
        await build()
        for (const { what, key } of plan) {
          if (what === 'build') await build()
          else if (what === 'restart') await rig.restart()
          else if (what === 'remove') await rig.remove(bucket, key)
          else {
            written += 1
            await rig.put(bucket, key, `${written}`)
          }
          await expectSame({ delimiter: '/', pageMax: 2 })
          await expectSame({ pageMax: 3 })
        }
      }),
      { numRuns: 12 },
    )
  })
})
