import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import { isFailure } from '@forebay/base/failure'
import type { ToldState } from '@forebay/peer/target-port'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cachedBucket, md5Of, Rig } from './testing/rig.ts'

const signal = new AbortController().signal
const byEvents = () =>
  cachedBucket({
    revalidate: { kind: 'event', ttlMs: 24 * 60 * 60_000 },
    blockBytes: 64 * 1024,
    sparseThresholdBytes: 64 * 1024,
  })

/** What somebody does, and after how many turns of the event loop. */
const STEPS = fc.array(
  fc.record({
    what: fc.constantFrom('write there', 'write here', 'read', 'read', 'range', 'head', 'evict'),
    turns: fc.nat({ max: 12 }),
    /** Events come late, and in another order than the changes. */
    eventTurns: fc.nat({ max: 30 }),
  }),
  { minLength: 5, maxLength: 40 },
)

const turn = async (count: number): Promise<void> => {
  for (let at = 0; at < count; at++) await new Promise((resolve) => setImmediate(resolve))
}

/** Versions are told apart by their first bytes; they are long enough to be read in blocks. */
const bytesOf = (version: number): Buffer => Buffer.alloc(100_000, String(version).padStart(4, '0'))
const versionOf = (bytes: Buffer | undefined): number =>
  bytes === undefined ? 0 : Number(bytes.subarray(0, 4).toString())

/**
 * One key that is written here and, behind the cache's back, at the store, which sends an event of
 * each change. No read may answer a version older than one whose event was taken before it began.
 */
class Play {
  readonly #rig: Rig
  readonly #remote: ReturnType<typeof createMemoryBackend>
  #versions = 0
  /** As the store has had them, first to last. */
  readonly #history: number[] = [0]
  /** Place in the history of the newest version whose event was taken. */
  #floor = 0
  #writing: Promise<unknown> = Promise.resolve()

  constructor(rig: Rig) {
    this.#rig = rig
    this.#remote = createMemoryBackend(rig.remote, 'remote')
  }

  async act(what: string, eventTurns: number): Promise<void> {
    const { bucket, target } = this.#rig
    switch (what) {
      case 'write there':
        this.#history.push(++this.#versions)
        this.#rig.remote.put('remote', 'a', bytesOf(this.#versions))
        return this.#tell(eventTurns)
      case 'write here':
        this.#writing = this.#writing.then(() => this.#write())
        await this.#writing
        return this.#tell(eventTurns)
      case 'evict':
        await target.evict({ bucket, key: 'a', conditions: {}, signal })
        return
      case 'head':
        return this.#head()
      default:
        return this.#get(what === 'range')
    }
  }

  async #write(): Promise<void> {
    const version = ++this.#versions
    const act = (): void => void this.#history.push(version)
    this.#rig.remote.addFault({ action: { kind: 'at', point: 'commit', act }, on: ['write'] })
    await this.#rig.put('a', bytesOf(version))
  }

  /** The event tells of what the store has when it is made, and comes later. */
  async #tell(turns: number): Promise<void> {
    const place = this.#history.length - 1
    const now = await this.#now()
    await turn(turns)
    await this.#rig.target.noticeChange({ bucket: this.#rig.bucket, key: 'a', now, signal })
    this.#floor = Math.max(this.#floor, place)
  }

  async #now(): Promise<ToldState> {
    const head = await this.#remote.head({ key: 'a', signal })
    if (head.kind === 'absent') return { kind: 'gone' }
    return { kind: 'version', validators: head.attributes.validators ?? {}, copied: false }
  }

  async #head(): Promise<void> {
    const floor = this.#floor
    const head = await this.#rig.head('a')
    const allowed = this.#history.slice(floor).map((version) => md5Of(bytesOf(version)))
    if (head.kind === 'found') expect(allowed).toContain(head.attributes.etag)
    else expect(floor).toBe(0)
  }

  async #get(ranged: boolean): Promise<void> {
    const floor = this.#floor
    const range = { kind: 'from-to', first: 0, last: 9 } as const
    const bytes = await this.#rig.get('a', ranged ? { range } : {}).catch((error: unknown) => {
      // Cut in the middle, or given up: an answer that is none does not lie.
      if (!isFailure(error, 'backend-changed')) throw error
      return 'cut' as const
    })
    if (bytes === 'cut') return
    const version = versionOf(bytes)
    expect(this.#history.slice(floor)).toContain(version)
  }
}

test('no read is older than an event that was taken before it began', async () => {
  await fc.assert(
    fc.asyncProperty(STEPS, async (steps) => {
      const rig = await Rig.open(byEvents())
      try {
        const fault = { on: ['read', 'head'], times: 1e9 } as const
        // Answers are on their way while others change the object.
        const act = (): Promise<void> => turn(6)
        const late = { kind: 'at', point: 'answer', act } as const
        rig.remote.addFault({ ...fault, action: late, probability: 0.5 })
        const play = new Play(rig)
        const acting: Promise<void>[] = []
        for (const { what, turns, eventTurns } of steps) {
          const acted = play.act(what, eventTurns)
          acted.catch(() => undefined)
          acting.push(acted)
          await turn(turns)
        }
        await Promise.all(acting)
        await rig.idle()
        for (const what of ['head', 'read']) await play.act(what, 0)
      } finally {
        await rig.close()
      }
    }),
    { numRuns: 50, seed: 22 },
  )
})
