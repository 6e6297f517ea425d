import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import type { ToldState } from '@forebay/peer/target-port'
import { afterEach, describe, expect, test } from 'vitest'
import { cachedBucket, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const byEvents = () => cachedBucket({ revalidate: { kind: 'event', ttlMs: 24 * 60 * 60_000 } })
const signal = new AbortController().signal
const address = { key: 'a', conditions: {}, signal }
const UNKNOWN: ToldState = { kind: 'unknown' }

const tell = (now: ToldState, key: string | undefined = 'a') =>
  rig.target.noticeChange({ bucket: rig.bucket, key, now, signal })

/** What the store has now, as an event would tell it. */
async function told(copied = false): Promise<ToldState> {
  const head = await createMemoryBackend(rig.remote, 'remote').head({ key: 'a', signal })
  if (head.kind === 'absent') return { kind: 'gone' }
  return { kind: 'version', validators: head.attributes.validators ?? {}, copied }
}

async function openWith(text: string): Promise<void> {
  rig = await Rig.open(byEvents())
  rig.remote.put('remote', 'a', text)
  await rig.get('a')
  await rig.idle()
}

const text = async (): Promise<string | undefined> => (await rig.get('a'))?.toString()

describe('revalidate: event', () => {
  test('without an event an object is served for as long as the ttl, and not longer', async () => {
    await openWith('old')
    rig.remote.put('remote', 'a', 'new')
    rig.clock.shiftMs += 23 * 60 * 60_000
    expect(await text()).toBe('old')
    rig.clock.shiftMs += 60 * 60_000
    expect(await text()).toBe('new')
  })

  test('the first read of a bucket is believed by the next', async () => {
    await openWith('old')
    await text()
    expect(rig.reads).toEqual(['miss', 'hit'])
  })

  test('an event of another version makes the next read ask', async () => {
    await openWith('old')
    rig.remote.put('remote', 'a', 'new')
    expect(await tell(await told())).toBe('stale')
    expect(await text()).toBe('new')
    expect(rig.reads.at(-1)).toBe('miss')
  })

  test('an event counts for a copy whose time to live is over, should that become longer', async () => {
    const revalidate = { kind: 'never' } as const
    rig = await Rig.open(cachedBucket({ revalidate, ttls: [{ prefix: '', ttlMs: 1000 }] }))
    rig.remote.put('remote', 'a', 'old')
    await rig.get('a')
    await rig.idle()
    rig.clock.shiftMs += 2000
    rig.remote.put('remote', 'a', 'new')
    expect(await tell(await told())).toBe('stale')
    rig.bucket = cachedBucket({ revalidate })
    expect(await text()).toBe('new')
  })

  test('an event of the version that is cached changes nothing', async () => {
    await openWith('old')
    expect(await tell(await told())).toBe('current')
    expect(await text()).toBe('old')
    expect(rig.reads.at(-1)).toBe('hit')
  })

  test('a late event of an older version costs a question and no more', async () => {
    await openWith('old')
    const late = await told()
    rig.remote.put('remote', 'a', 'new')
    await tell(await told())
    await text()
    await rig.idle()
    expect(await tell(late)).toBe('stale')
    expect(await text()).toBe('new')
    expect(rig.reads.at(-1)).toBe('revalidated')
  })

  test('an event of a delete makes the object absent', async () => {
    await openWith('old')
    rig.remote.delete('remote', 'a')
    expect(await tell({ kind: 'gone' })).toBe('stale')
    expect(await text()).toBeUndefined()
  })

  test('an event of a copy under the same tag removes the entry: a question would not tell', async () => {
    await openWith('old')
    expect(await tell(await told(true))).toBe('stale')
    expect(rig.context.store.get(rig.bucket.id, 'a')).toBeUndefined()
  })

  test('an event of other metadata removes the entry', async () => {
    await openWith('old')
    await tell({ kind: 'metadata' })
    expect(rig.context.store.get(rig.bucket.id, 'a')).toBeUndefined()
  })

  test('what was confirmed before a restart is asked about once more', async () => {
    await openWith('old')
    rig.remote.put('remote', 'a', 'new')
    await rig.restart()
    expect(await text()).toBe('new')
  })

  test('an event that names no key makes everything in the bucket stale', async () => {
    await openWith('old')
    rig.remote.put('remote', 'a', 'new')
    await rig.target.noticeChange({ bucket: rig.bucket, key: undefined, now: UNKNOWN, signal })
    expect(await text()).toBe('new')
  })

  test('a stale object is not served for an error once an event named it', async () => {
    rig = await Rig.open(
      cachedBucket({ revalidate: { kind: 'event', ttlMs: 1000 }, staleIfErrorMs: 60_000 }),
    )
    rig.remote.put('remote', 'a', 'old')
    await rig.get('a')
    await rig.idle()
    await tell({ kind: 'unknown' })
    const refused = { kind: 'refuse', code: 'backend-unreachable' } as const
    rig.remote.addFault({ action: refused, on: ['head', 'read'], times: 9 })
    await expect(rig.get('a')).rejects.toMatchObject({ code: 'backend-unreachable' })
  })
})

describe('events and what is under way (rule 5)', () => {
  test.each(['head', 'read'] as const)(
    'rule 5: an answer to a %s that was asked before the event leaves no trace and is shared with nobody',
    async (operation) => {
      await openWith('old')
      if (operation === 'read') await rig.target.evict({ ...address, bucket: rig.bucket })
      else rig.clock.shiftMs += 24 * 60 * 60_000
      let late: Promise<string | undefined> | undefined
      // The store has answered with the old version, and the answer is still on its way.
      const act = async (): Promise<void> => {
        rig.remote.put('remote', 'a', 'newer')
        await tell(await told())
        late = text()
        await late
      }
      rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: [operation] })
      await text()
      expect(await late).toBe('newer')
      await rig.idle()
      expect(await text()).toBe('newer')
    },
  )

  test('rule 5: an event waits for a write of our own, and finds the version that it left', async () => {
    await openWith('old')
    let noticed: Promise<string> | undefined
    const act = async (): Promise<void> => {
      noticed = told().then(tell)
    }
    rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['write'] })
    await rig.put('a', 'ours')
    expect(await noticed).toBe('current')
    expect(await text()).toBe('ours')
    expect(rig.reads.at(-1)).toBe('hit')
  })

  test('rule 5: a write of somebody else that follows ours at once is not hidden by it', async () => {
    await openWith('old')
    let noticed: Promise<string> | undefined
    const act = async (): Promise<void> => {
      rig.remote.put('remote', 'a', 'theirs')
      noticed = told().then(tell)
    }
    rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['write'] })
    await rig.put('a', 'ours')
    expect(await noticed).toBe('stale')
    expect(await text()).toBe('theirs')
  })

  test('a write of ours hides nothing from an event about the whole bucket', async () => {
    await openWith('old')
    const act = async (): Promise<void> => {
      rig.remote.put('remote', 'a', 'theirs')
      await rig.target.noticeChange({ bucket: rig.bucket, key: undefined, now: UNKNOWN, signal })
      await rig.clock.sleep(5)
    }
    rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['write'] })
    await rig.put('a', 'ours')
    expect(await text()).toBe('theirs')
  })

  test('rule 5: an event that would wait too long is not taken', async () => {
    await openWith('old')
    const release = await rig.context.locks.acquire('2/a')
    const abort = new AbortController()
    const notice = { bucket: rig.bucket, key: 'a', now: UNKNOWN, signal: abort.signal }
    const noticed = rig.target.noticeChange(notice)
    abort.abort(new Error('too long'))
    await expect(noticed).rejects.toThrow('too long')
    release()
  })
})
