import { describe, expect, test } from 'vitest'
import { isSelf, type NetworkView } from './is-self.ts'
import { isOwnRequest, viaHeader } from './via.ts'

const NAMES: Readonly<Record<string, readonly string[]>> = {
  localhost: ['127.0.0.1', '::1'],
  'this.host': ['10.0.0.7'],
  'other.host': ['10.0.0.8'],
}

const network: NetworkView = {
  async resolve(host) {
    if (/^[\d.]+$|:/.test(host)) return [host]
    const found = NAMES[host]
    if (found === undefined) throw new Error('ENOTFOUND')
    return found
  },
  localAddresses: () => ['127.0.0.1', '10.0.0.7', 'fd00::7'],
}

const everywhere = [{ address: '0.0.0.0', port: 8080 }]
const loopback = [{ address: '127.0.0.1', port: 8080 }]

describe('a backend endpoint', () => {
  test.each([
    ['http://127.0.0.1:8080', loopback],
    ['http://localhost:8080', loopback],
    ['http://localhost:8080', everywhere],
    ['http://this.host:8080', everywhere],
    ['http://[fd00::7]:8080', [{ address: '::', port: 8080 }]],
    ['http://[::ffff:10.0.0.7]:8080', [{ address: '::ffff:10.0.0.7', port: 8080 }]],
    ['http://this.host', [{ address: '::', port: 80 }]],
    ['https://this.host', [{ address: '::', port: 443 }]],
  ])('%s is ourselves', async (endpoint, listeners) => {
    expect(await isSelf(endpoint, listeners, network)).toBe(true)
  })

  test.each([
    ['http://127.0.0.1:8081', loopback],
    ['http://this.host:8080', loopback],
    ['http://other.host:8080', everywhere],
    ['http://unknown.host:8080', everywhere],
    ['http://this.host:8080', []],
  ])('%s is somebody else', async (endpoint, listeners) => {
    expect(await isSelf(endpoint, listeners, network)).toBe(false)
  })
})

test('a request that this node sent is recognised, alone and among others', () => {
  expect(isOwnRequest(viaHeader('node-1')['forebay-via'], 'node-1')).toBe(true)
  expect(isOwnRequest('node-2, node-1', 'node-1')).toBe(true)
  expect(isOwnRequest('node-10', 'node-1')).toBe(false)
  expect(isOwnRequest(undefined, 'node-1')).toBe(false)
})
