import PQueue from 'p-queue'
import type { JobPriority } from '../job.ts'

const PRIORITIES: readonly JobPriority[] = ['high', 'normal', 'low']

export interface Turn {
  readonly jobId: string
  readonly priority: JobPriority
  run(): Promise<void>
}

/**
 * Runs so many turns at once: of the highest priority first, and of the jobs of one priority in turns,
 * so that a small job waits for one page of a large one, not for all of them.
 *
 * A turn must not reject.
 */
export class FairQueue {
  readonly #queue: PQueue
  readonly #waiting = new Map<JobPriority, Map<string, Turn[]>>(
    PRIORITIES.map((priority) => [priority, new Map()]),
  )
  #size = 0

  constructor(atOnce: number) {
    this.#queue = new PQueue({ concurrency: atOnce })
  }

  add(turn: Turn): void {
    const jobs = this.#waiting.get(turn.priority)
    if (jobs === undefined) return
    const turns = jobs.get(turn.jobId)
    if (turns === undefined) jobs.set(turn.jobId, [turn])
    else turns.push(turn)
    this.#size += 1
    // The queue holds places, not turns: whose turn it is, is asked when a place is free.
    if (this.#queue.size < this.#size) void this.#queue.add(async () => this.#next()?.run())
  }

  /** Forgets what waits of a job. */
  drop(jobId: string): void {
    for (const jobs of this.#waiting.values()) {
      this.#size -= jobs.get(jobId)?.length ?? 0
      jobs.delete(jobId)
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#queue.onIdle()
  }

  #next(): Turn | undefined {
    for (const jobs of this.#waiting.values()) {
      for (const [jobId, turns] of jobs) {
        const turn = turns.shift()
        jobs.delete(jobId)
        // Behind the others.
        if (turns.length > 0) jobs.set(jobId, turns)
        this.#size -= 1
        return turn
      }
    }
    return undefined
  }
}
