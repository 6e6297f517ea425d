/** Header that every request to a backend carries, so that a node that is its own backend sees it. */
export const VIA_HEADER = 'forebay-via'

/** The header with which node `nodeId` asks a backend. */
export function viaHeader(nodeId: string): Readonly<Record<typeof VIA_HEADER, string>> {
  return { [VIA_HEADER]: nodeId }
}

/**
 * True when a request came from `nodeId` itself: its backend endpoint is its own front door. The door
 * then answers `backend-is-self` (508), or one cold read would call itself until nothing is left.
 *
 * @param header value of `VIA_HEADER` of the incoming request; ids separated by commas
 */
export function isOwnRequest(header: string | undefined, nodeId: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((id) => id.trim() === nodeId)
}
