import { setImmediate as nextTurn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { HolePunch } from '../os/punch-holes.ts'
import { errorCode } from './journal.ts'
import type { Pack } from './pack.ts'

/** Holes that the thread is given at once. */
const HOLES_AT_ONCE = 512

/** Whole blocks of a pack that nobody needs. */
export interface Waste {
  readonly pack: Pack
  readonly offset: number
  readonly lengthBytes: number
}

export interface PackHolesOptions {
  /** A descriptor of the pack, which counts as in use until `done`; undefined when there is none any more. */
  readonly use: (pack: Pack) => number | undefined
  readonly done: (pack: Pack) => void
  /** Told of a pack that keeps blocks which nobody needs. */
  readonly onTrouble: (path: string, code: string) => void
}

/** Makes holes in packs, many at a time and behind everybody. */
export class PackHoles {
  readonly #options: PackHolesOptions
  readonly #punch = new HolePunch()
  #waste: (Waste & { readonly onDone: () => void })[] = []
  #punching: Promise<void> | undefined
  #closed = false

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
    this.#closed = true
    await this.#punching
    await this.#punch.close()
  }

  async #punchAll(): Promise<void> {
    // Those of this turn go to the thread together.
    await nextTurn()
    while (this.#waste.length > 0) {
      const batch = this.#waste.splice(0, HOLES_AT_ONCE)
      try {
        await failpoint('pack:freed')
        if (!this.#closed) await this.#punchSome(batch)
      } catch (error) {
        this.#tell(batch, errorCode(error) ?? 'failed')
      }
      for (const { onDone } of batch) onDone()
    }
    this.#punching = undefined
  }

  async #punchSome(batch: readonly Waste[]): Promise<void> {
    const used: Pack[] = []
    try {
      const holes = batch.flatMap(({ pack, offset, lengthBytes }) => {
        const fd = this.#options.use(pack)
        if (fd === undefined) return []
        used.push(pack)
        return [{ fd, offset, lengthBytes }]
      })
      const failedCount = await this.#punch.punch(holes)
      if (failedCount > 0) this.#tell(batch, `${failedCount} holes`)
    } finally {
      for (const pack of used) this.#options.done(pack)
    }
  }

  #tell([first]: readonly Waste[], code: string): void {
    if (first !== undefined) this.#options.onTrouble(first.pack.file, code)
  }
}
