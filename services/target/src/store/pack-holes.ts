import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { isFailure } from '@forebay/base/failure'
import { type Hole, HolePunch } from '../os/punch-holes.ts'
import { errorCode } from './journal.ts'
import type { Pack } from './pack.ts'

/** Holes that the thread is given at once. */
const HOLES_AT_ONCE = 512

/** How long holes wait for a descriptor where none is left, milliseconds. */
const AGAIN_MS = 1000

/** Whole blocks of a pack that nobody needs. */
export interface Waste {
  readonly pack: Pack
  readonly offset: number
  readonly lengthBytes: number
}

export interface PackHolesOptions {
  /**
   * A descriptor of the pack, which counts as in use until `done`; undefined when there is none any more.
   *
   * @throws Failure `slow-down` when no descriptor is left, `disk-error`
   */
  readonly use: (pack: Pack) => number | undefined
  readonly done: (pack: Pack) => void
  /** Told of a pack that keeps blocks which nobody needs. */
  readonly onTrouble: (path: string, code: string) => void
}

interface Asked extends Waste {
  readonly onDone: () => void
}

/** Makes holes in packs, many at a time and behind everybody. */
export class PackHoles {
  readonly #options: PackHolesOptions
  readonly #punch = new HolePunch()
  readonly #stop = new AbortController()
  #waste: Asked[] = []
  #punching: Promise<void> | undefined

  constructor(options: PackHolesOptions) {
    this.#options = options
  }

  /** Resolves when the blocks are the file system's, or cannot be given back; never rejects. */
  add(waste: Waste): Promise<void> {
    if (waste.pack.isGone || waste.lengthBytes === 0) return Promise.resolve()
    return new Promise((onDone) => {
      this.#waste.push({ ...waste, onDone })
      this.#punching ??= this.#punchAll()
    })
  }

  /** Ends with what is under way; what is left is found by the next sweep. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#punching
    await this.#punch.close()
  }

  async #punchAll(): Promise<void> {
    // Those of this turn go to the thread together.
    await nextTurn()
    while (this.#waste.length > 0) {
      const batch = this.#waste.splice(0, HOLES_AT_ONCE)
      const again: Asked[] = []
      try {
        await failpoint('pack:freed')
        if (!this.#stop.signal.aborted) await this.#punchSome(batch, again)
      } catch (error) {
        this.#tell(batch[0], errorCode(error) ?? 'failed')
      }
      for (const asked of batch) if (!again.includes(asked)) asked.onDone()
      if (again.length === 0) continue
      this.#waste.push(...again)
      const { signal } = this.#stop
      await sleep(AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
    this.#punching = undefined
  }

  /** @param again takes what is to be tried once more */
  async #punchSome(batch: readonly Asked[], again: Asked[]): Promise<void> {
    const used: Pack[] = []
    const holes: Hole[] = []
    try {
      for (const asked of batch) {
        const fd = this.#use(asked, again)
        if (fd === undefined) continue
        used.push(asked.pack)
        holes.push({ fd, offset: asked.offset, lengthBytes: asked.lengthBytes })
      }
      if (holes.length === 0) return
      const failedCount = await this.#punch.punch(holes)
      if (failedCount > 0) this.#tell(batch[0], `${failedCount} holes`)
    } finally {
      for (const pack of used) this.#options.done(pack)
    }
  }

  #use(asked: Asked, again: Asked[]): number | undefined {
    try {
      return this.#options.use(asked.pack)
    } catch (error) {
      if (isFailure(error, 'slow-down')) again.push(asked)
      else this.#tell(asked, errorCode(error) ?? 'failed')
      return undefined
    }
  }

  #tell(waste: Waste | undefined, code: string): void {
    if (waste !== undefined) this.#options.onTrouble(waste.pack.file, code)
  }
}
