import type { Web } from '@forebay/backend-port/web'
import type { Clock } from '@forebay/base/clock'
import type { HubAccess } from '../kind-work.ts'

/** What a list of a download knows of one thing that it found. */
export interface Finding {
  /** Key without what the job puts before it. */
  readonly name: string
  readonly url: string
  /** Names the file over all downloads of it; its URL by default. */
  readonly source?: string | undefined
  readonly sizeBytes?: number | undefined
  /** Lower-case hexadecimal. */
  readonly sha256?: string | undefined
  /** A directory that is not looked into, and why: it fails as an item of its own. */
  readonly notRead?: string | undefined
}

/** One step of a list. */
export interface FoundPage {
  readonly findings: readonly Finding[]
  /** Where the next step begins; `undefined` at the end. */
  readonly at: string | undefined
}

/** What lists of downloads work with. */
export interface ListContext {
  readonly web: Web
  readonly hub: HubAccess
  readonly clock: Clock
  /** Sent with each request to the origin that the user named. */
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}
