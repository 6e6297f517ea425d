import type { ServerResponse } from 'node:http'

declare module 'node:http' {
  /** Undocumented, and stable for years. */
  interface ServerResponse {
    /** The head as it will be written, once it is known. */
    _header?: unknown
    /** True when Node has written the head, or left it to its queue. */
    _headerSent?: unknown
  }
}

/**
 * The rendered head of a response, one character per byte, that Node has not written yet; undefined
 * when it has, and wherever Node does not show it.
 */
export function unsentHead(response: ServerResponse): string | undefined {
  const head = response._header
  return typeof head === 'string' && response._headerSent === false ? head : undefined
}

/** Tells Node that the head of a response is on its way already. */
export function markHeadSent(response: ServerResponse): void {
  response._headerSent = true
}
