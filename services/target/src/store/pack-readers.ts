import { BusyMap } from '@forebay/base/busy-map'

interface Reading {
  readers: number
  /** What was left to the last of them. */
  onEnd: (() => void) | undefined
}

/**
 * Who reads which places in the packs of a mountpath. It outlives them: when a mountpath leaves and
 * comes back, those who began before read on, and no place becomes a hole under them.
 */
export class PackReaders {
  readonly #readings = new BusyMap<string, Reading>()

  /** Places that are read now, as records name them. */
  get paths(): Iterable<string> {
    return this.#readings.keys()
  }

  begin(path: string): void {
    const reading = this.#readings.get(path)
    if (reading === undefined) this.#readings.set(path, { readers: 1, onEnd: undefined })
    else reading.readers += 1
  }

  end(path: string): void {
    const reading = this.#readings.get(path)
    if (reading === undefined) return
    reading.readers -= 1
    if (reading.readers > 0) return
    this.#readings.delete(path)
    reading.onEnd?.()
  }

  /** Leaves to the last reader of a place what is to follow. @returns false when there is none */
  leave(path: string, onEnd: () => void): boolean {
    const reading = this.#readings.get(path)
    if (reading === undefined) return false
    reading.onEnd = onEnd
    return true
  }
}
