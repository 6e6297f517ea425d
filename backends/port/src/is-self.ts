import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'

/** Where this process accepts connections. */
export interface Listener {
  /** IP address; `0.0.0.0` and `::` mean all of this machine. */
  readonly address: string
  readonly port: number
}

/** What the check asks of the machine; arguments, so that a test can play it. */
export interface NetworkView {
  /** Addresses of a host name; an IP address is its own. */
  resolve(host: string): Promise<readonly string[]>
  /** Addresses of this machine. */
  localAddresses(): readonly string[]
}

/** The machine's own network. */
export const systemNetwork: NetworkView = {
  async resolve(host) {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  },
  localAddresses: () =>
    Object.values(networkInterfaces()).flatMap((addresses = []) =>
      addresses.map(({ address }) => address),
    ),
}

/**
 * True when a backend endpoint leads to one of our own listeners: such a node would call itself for
 * every cold read. A name that does not resolve leads nowhere, so not to us. What this cannot see (a
 * load balancer in front of us) is caught by `isOwnRequest` at the front door.
 *
 * @param endpoint `http(s)://host[:port]`
 */
export async function isSelf(
  endpoint: string,
  listeners: readonly Listener[],
  network: NetworkView = systemNetwork,
): Promise<boolean> {
  const url = new URL(endpoint)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const candidates = listeners.filter((listener) => listener.port === port)
  if (candidates.length === 0) return false
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const addresses = (await network.resolve(host).catch(() => [])).map(plainAddress)
  const local = network.localAddresses().map(plainAddress)
  return candidates.some(({ address }) =>
    isEverywhere(address)
      ? addresses.some((found) => isLoopback(found) || isEverywhere(found) || local.includes(found))
      : addresses.includes(plainAddress(address)),
  )
}

/** `::ffff:10.0.0.1`, or `::ffff:a00:1` as URLs write it, is 10.0.0.1. */
function plainAddress(address: string): string {
  const mapped = /^::ffff:(?:([\d.]+)|([\da-f]{1,4}):([\da-f]{1,4}))$/.exec(address.toLowerCase())
  if (mapped === null) return address.toLowerCase()
  const [, dotted, high = '', low = ''] = mapped
  if (dotted !== undefined) return dotted
  const words = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return words.flatMap((word) => [word >> 8, word & 0xff]).join('.')
}

function isEverywhere(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
