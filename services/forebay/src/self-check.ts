import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { Failure } from '@forebay/base/failure'
import type { ListenerSettings } from '@forebay/config/schema'

/**
 * Refuses a backend endpoint that is one of our own listeners: every miss would come back to us.
 *
 * What this cannot see (a proxy in between) the `Forebay-Via` header of backend requests shows.
 *
 * @throws Failure `backend-is-self`
 */
export async function checkEndpoint(
  endpoint: string | undefined,
  listeners: readonly ListenerSettings[],
): Promise<void> {
  if (endpoint === undefined) return
  const url = new URL(endpoint)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const mine = listeners.filter((listener) => listener.port === port)
  if (mine.length === 0) return
  const addresses = await addressesOf(url.hostname)
  const own = ownAddresses()
  const self = mine.some(({ address }) =>
    addresses.some(
      (found) =>
        found === address || (own.has(found) && (isAny(address) || isLocal(found, address))),
    ),
  )
  if (!self) return
  throw new Failure('backend-is-self', `the backend endpoint ${endpoint} is this node itself`, {
    hint: "set backends.aws.endpoint to the origin, and this node's port to another one",
  })
}

async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    const found = await lookup(host.replace(/^\[|\]$/g, ''), { all: true })
    return found.map(({ address }) => address)
  } catch {
    // A name that does not resolve now is not ours; requests to it will say so themselves.
    return []
  }
}

function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return new Set(['127.0.0.1', '::1', ...all.map(({ address }) => address)])
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** `localhost` as a listener's address means both loopback addresses. */
function isLocal(found: string, address: string): boolean {
  return address === 'localhost' && (found === '127.0.0.1' || found === '::1')
}
