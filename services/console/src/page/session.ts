import { ForebayClient } from '@forebay/client/client'
import type { Credentials } from '@forebay/client/sign-request'

/** How the node tells callers apart; `session.json` says it. */
export interface Mode {
  readonly mode: 'open' | 'users'
  readonly region: string
}

/**
 * Who uses the console. The secret key is held by this object alone: it is in no storage, no address
 * and no element of the page, and is gone when the page is.
 */
export class Session {
  readonly client: ForebayClient
  /** Shown in the head of the page; undefined in open mode. */
  readonly accessKey: string | undefined

  constructor(credentials?: Credentials) {
    this.accessKey = credentials?.accessKey
    this.client = new ForebayClient({
      endpoint: location.origin,
      credentials,
      // A browser's fetch works only as a function of its window.
      fetch: (input, init) => fetch(input, init),
    })
  }
}

/** What the node says of itself before anybody signed in. */
export async function readMode(signal: AbortSignal): Promise<Mode> {
  const response = await fetch('/ui/session.json', { signal })
  if (!response.ok) throw new Error(`the node answered ${response.status}`)
  const answer: unknown = await response.json()
  const fields = new Map(Object.entries(typeof answer === 'object' ? (answer ?? {}) : {}))
  return {
    mode: fields.get('mode') === 'users' ? 'users' : 'open',
    region: String(fields.get('region') ?? 'us-east-1'),
  }
}
