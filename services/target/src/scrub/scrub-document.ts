import { readFileSync } from 'node:fs'
import type { ScrubCounts, ScrubFinding, ScrubPass } from '@forebay/peer/scrub-port'
import { replaceFile } from '../store/replace-file.ts'

/** Version of the document; any other one counts as none: it costs a pass that begins anew. */
export const SCRUB_FORMAT = 1

/** Findings that are kept by name; the rest is counted. */
export const FINDINGS_KEPT_MAX = 1000

/** Where a pass is. */
export interface ScrubCursor {
  readonly bucketId: number
  readonly key: string
}

/** What of a scrub outlives the process. */
export interface ScrubDocument {
  readonly format: number
  /** When the last pass over everything began; before there was one, when it began to be waited for. */
  readonly sinceMs: number
  /** The pass under way; `cursor` is the last entry that was looked at, absent at the start. */
  readonly running?:
    | {
        readonly pass: ScrubPass
        readonly scope?: { readonly bucketId: number; readonly prefix: string } | undefined
        readonly cursor?: ScrubCursor | undefined
        /** Somebody held it: it does not go on by itself. */
        readonly held?: boolean | undefined
      }
    | undefined
  /** The last pass, and the last one over everything that came to its end. */
  readonly last?: ScrubPass | undefined
  readonly lastWhole?: ScrubPass | undefined
  readonly findings: readonly ScrubFinding[]
}

export const NO_COUNTS: ScrubCounts = {
  objects: 0,
  bytes: 0,
  damaged: 0,
  repaired: 0,
  adopted: 0,
  unchecked: 0,
  orphans: 0,
}

/** The document at `path`; undefined where there is none that can be used. */
export function readScrubDocument(path: string): ScrubDocument | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return isDocument(value) ? value : undefined
  } catch {
    // None yet, or one that a disk spoilt: the next pass begins at the beginning.
    return undefined
  }
}

export function writeScrubDocument(path: string, document: ScrubDocument): Promise<void> {
  return replaceFile(path, JSON.stringify(document))
}

/** The document is our own, replaced as a whole; its number and frame are enough to know it by. */
function isDocument(value: unknown): value is ScrubDocument {
  if (typeof value !== 'object' || value === null) return false
  const { format, sinceMs, findings, running }: Partial<Record<keyof ScrubDocument, unknown>> =
    value
  const known = format === SCRUB_FORMAT && typeof sinceMs === 'number' && Array.isArray(findings)
  return known && (running === undefined || (typeof running === 'object' && running !== null))
}
