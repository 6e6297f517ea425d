import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import type { InventoryFacts, InventoryPort } from '@forebay/peer/inventory-port'
import { BucketInventory } from './bucket-inventory.ts'
import type { NowState } from './changes.ts'

/** The inventories of the buckets of a node, each in a folder of its own. */
export class Inventories implements InventoryPort {
  readonly #directory: string
  readonly #clock: Clock
  readonly #buckets = new Map<number, BucketInventory>()

  private constructor(directory: string, clock: Clock) {
    this.#directory = directory
    this.#clock = clock
  }

  /** Opens those of buckets that are there, and removes the others. */
  static async open(options: {
    readonly directory: string
    readonly clock: Clock
    readonly hasBucket: (id: number) => boolean
  }): Promise<Inventories> {
    const { directory, clock, hasBucket } = options
    const inventories = new Inventories(directory, clock)
    await mkdir(directory, { recursive: true })
    for (const name of await readdir(directory)) {
      const id = Number(name)
      const path = join(directory, name)
      if (Number.isSafeInteger(id) && hasBucket(id)) {
        inventories.#buckets.set(id, await BucketInventory.open(path))
      } else await rm(path, { recursive: true, force: true })
    }
    return inventories
  }

  get clock(): Clock {
    return this.#clock
  }

  of(bucketId: number): BucketInventory | undefined {
    return this.#buckets.get(bucketId)
  }

  factsOf(bucketId: number): InventoryFacts | undefined {
    return this.of(bucketId)?.factsAt(this.#clock.now())
  }

  /** From now on the changes of this bucket are noted. */
  async make(bucketId: number): Promise<BucketInventory> {
    const known = this.#buckets.get(bucketId)
    if (known !== undefined) return known
    const made = await BucketInventory.open(join(this.#directory, String(bucketId)))
    const other = this.#buckets.get(bucketId)
    if (other !== undefined) return other
    this.#buckets.set(bucketId, made)
    return made
  }

  /** A mutation begins. @returns to be called at its end; undefined where nobody wants to know */
  begin(bucketId: number, key: string): ((now: NowState) => void) | undefined {
    return this.#buckets.get(bucketId)?.changes.begin(key)
  }

  /** Removes it, with a build under way; of a bucket that was destroyed, or that is to have none. */
  async drop(bucketId: number): Promise<void> {
    const known = this.#buckets.get(bucketId)
    this.#buckets.delete(bucketId)
    await known?.close()
    const path = join(this.#directory, String(bucketId))
    if (existsSync(path)) await rm(path, { recursive: true, force: true })
  }

  async close(): Promise<void> {
    for (const inventory of this.#buckets.values()) await inventory.close()
    this.#buckets.clear()
  }
}
