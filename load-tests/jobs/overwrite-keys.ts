import type { BucketRecord } from '@forebay/model/bucket'
import type { JobRig } from '@forebay/target/jobs/testing/job-rig'
import type { Random } from '../faults/random.ts'
import { pause } from './hostile-worker.ts'

/** What a user did to a key, and what was read right afterwards. Times: wall clock, ms. */
interface UserOperation {
  readonly beganMs: number
  /** What the user wrote; `undefined`: deleted. */
  readonly bytes: string | undefined
  readonly readBack: string | undefined
}

/** One key of a bucket, and the one user who writes it while a job works on it. */
export class WatchedKey {
  readonly bucket: BucketRecord
  readonly key: string
  readonly #rig: JobRig
  readonly #random: Random
  readonly #operations: UserOperation[] = []

  constructor(rig: JobRig, place: { bucket: BucketRecord; key: string }, random: Random) {
    this.#rig = rig
    this.bucket = place.bucket
    this.key = place.key
    this.#random = random
  }

  get writtenBytes(): readonly string[] {
    return this.#operations.flatMap(({ bytes }) => bytes ?? [])
  }

  operationsSince(startedMs: number): number {
    return this.#operations.filter(({ beganMs }) => beganMs >= startedMs).length
  }

  async put(bytes: string): Promise<void> {
    const beganMs = Date.now()
    await this.#rig.put(this.bucket, this.key, bytes)
    this.#operations.push({ beganMs, bytes, readBack: await this.read() })
  }

  async remove(): Promise<void> {
    const beganMs = Date.now()
    await this.#rig.remove(this.bucket, this.key)
    this.#operations.push({ beganMs, bytes: undefined, readBack: await this.read() })
  }

  /** Writes and deletes now and then; often the very bytes that were there before. */
  async use(times: number): Promise<void> {
    for (let at = 0; at < times; at++) {
      await pause(this.#random.below(80))
      const same = this.writtenBytes[0]
      const choice = this.#random.below(4)
      if (choice === 0) await this.remove()
      else if (choice === 1 && same !== undefined) await this.put(same)
      else await this.put(`${this.key} ${at} ${this.#random.next()}`)
    }
  }

  /** What is there by the store's own word. */
  async read(): Promise<string | undefined> {
    const { signal } = new AbortController()
    const answer = await this.#rig.context.target.read({
      ...{ bucket: this.bucket, key: this.key, conditions: {}, latest: true, signal },
    })
    if (answer.kind !== 'found') return undefined
    const chunks: Buffer[] = []
    await answer.body.pump?.((chunk) => void chunks.push(Buffer.from(chunk)), signal)
    return Buffer.concat(chunks).toString()
  }

  /**
   * What contradicts the rules: what a user wrote after the job began stays until a user changes it.
   *
   * @param mayBe what the job may leave where the user's last act allows it
   */
  async violations(
    startedMs: number,
    mayBe: { readonly absent: boolean; readonly bytes: readonly string[] },
  ): Promise<readonly string[]> {
    const found: string[] = []
    for (const [at, { beganMs, bytes, readBack }] of this.#operations.entries()) {
      if (beganMs < startedMs || bytes === undefined || readBack === bytes) continue
      found.push(`${this.key}: operation ${at} wrote ${bytes}, and read ${readBack}`)
    }
    const last = this.#operations.at(-1)
    const left = await this.read()
    const isOfJob = left === undefined ? mayBe.absent : mayBe.bytes.includes(left)
    const isLast = left === last?.bytes
    const overruled = last !== undefined && last.bytes !== undefined && last.beganMs >= startedMs
    if (!isLast && (overruled || !isOfJob)) {
      found.push(`${this.key}: the last user left ${last?.bytes}, and there is ${left}`)
    }
    return found
  }
}
