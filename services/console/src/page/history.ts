import { measure, type Scrape, type TopFrame } from '@forebay/cli/top/frame'

/** Frames that the charts look back on: ten minutes at one every two seconds. */
export const HISTORY_MAX = 300

/** What is known of the node's traffic so far. */
export interface History {
  readonly last: Scrape | undefined
  /** Oldest first. */
  readonly frames: readonly Frame[]
}

/** A frame and when it was made. */
export interface Frame extends TopFrame {
  /** Milliseconds since 1970. */
  readonly atMs: number
}

export const NO_HISTORY: History = { last: undefined, frames: [] }

/** The history with one more scrape; the first one makes no frame, for there is nothing before it. */
export function withScrape({ last, frames }: History, scrape: Scrape): History {
  if (last === undefined) return { last: scrape, frames }
  const frame = { ...measure(last, scrape), atMs: scrape.atMs }
  return { last: scrape, frames: [...frames.slice(-(HISTORY_MAX - 1)), frame] }
}

/** Seconds since 1970 and one line per pick, as the charts take them; null where nothing is known. */
export function columnsOf(
  frames: readonly Frame[],
  picks: readonly ((frame: Frame) => number | undefined)[],
): [number[], ...(number | null)[][]] {
  return [
    frames.map(({ atMs }) => atMs / 1000),
    ...picks.map((pick) => frames.map((frame) => pick(frame) ?? null)),
  ]
}
