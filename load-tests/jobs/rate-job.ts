import { join } from 'node:path'

/** Nodes among which the pages of a job go round. */
export const NODES = ['first', 'second'] as const

export const PAGE_ITEMS = 5

/** Where a process leaves its report. */
export function reportPath(folder: string, nodeId: string): string {
  return join(folder, `${nodeId}-report.json`)
}

/** What a process that works on jobs is told. */
export type RateOrder = {
  readonly redisUrl: string
  readonly nodeId: string
  readonly folder: string
  /** It ends when all of these are finished. */
  readonly jobs: readonly string[]
  /** Bytes that each item moves, in five parts. */
  readonly itemBytes: number
}

/** When items began in one process, ms since 1970. */
export type RateReport = {
  readonly begun: readonly { readonly jobId: string; readonly atMs: number }[]
}
