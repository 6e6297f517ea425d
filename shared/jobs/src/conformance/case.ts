import type { Clock } from '@forebay/base/clock'
import type { JobEngine } from '../engine.ts'

/** An engine that was opened on a store: one process of one node. */
export interface OpenEngine {
  readonly engine: JobEngine
  /**
   * Ends it as SIGKILL does: nothing of it reaches the store any more, and nothing is given back. What
   * it worked on is free when the time of its leases is over.
   */
  kill(): Promise<void>
}

/** One store of jobs, empty at first: a folder, or a prefix of a server. */
export interface JobStore {
  /** Of all engines of the store. */
  readonly clock: Clock
  /** Lets so much time pass, real or played, and everything run that follows from it. */
  pass(ms: number): Promise<void>
  open(nodeId: string): Promise<OpenEngine>
  /** Overwrites with garbage what the store keeps of a job, its record or its pages, or of a schedule. */
  spoil(id: string, what: 'record' | 'pages' | 'schedule'): Promise<void>
  /** Moves the wall clock of all engines alone, by so much; forward or back. */
  turnWallClock(ms: number): void
  /** Closes what is still open, and removes the store. */
  close(): Promise<void>
}

/** How the suite reaches an engine, and in what engines differ. */
export interface JobEngineHarness {
  readonly name: string
  /** Engines that may be open on one store at a time. */
  readonly enginesMax: number
  /** Seeds of the rounds in which everything happens at once; 1, 2 and 3 by default. */
  readonly seeds?: readonly number[] | undefined
  openStore(): Promise<JobStore>
}

export interface JobEngineCase {
  readonly title: string
  run(): Promise<void>
}

export interface Scenario {
  readonly title: string
  /** Engines that it opens at a time; 1 by default. */
  readonly engines?: number | undefined
  play(store: JobStore): Promise<void>
}
