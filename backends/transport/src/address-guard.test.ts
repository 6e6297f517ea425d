import { answer } from '@forebay/testkit/origin/answers'
import { startOrigin } from '@forebay/testkit/origin/scripted-origin'
import { describe, expect, test } from 'vitest'
import { type AddressPolicy, createAddressGuard, type ResolveHost } from './address-guard.ts'
import { openAgent } from './agent.ts'
import { classifyNetworkError } from './classify.ts'
import { exchange } from './exchange.ts'

const REFUSED = { code: 'backend-refused' }

function isRefused(policy: AddressPolicy, host: string): boolean {
  const guard = createAddressGuard(policy)
  try {
    guard.checkHost(host)
    return false
  } catch (error) {
    expect(error).toMatchObject(REFUSED)
    return true
  }
}

/** The host as every URL of ours is read: WHATWG's parser knows numbers, octals and short forms. */
function hostOf(url: string): string {
  return new URL(url).hostname
}

describe('an address that is not public is refused', () => {
  test.each([
    '127.0.0.1',
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.1.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.168.0.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '100.100.100.200',
    '[::]',
    '[::1]',
    '[::127.0.0.1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b::10.0.0.1]',
    '[64:ff9b:1::1]',
    '[2002:7f00:1::]',
    '[2001::1]',
    '[2001:db8::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fe80::1]',
    '[ff02::1]',
  ])('%s', (host) => {
    expect(isRefused('public', host)).toBe(true)
    expect(isRefused('public', hostOf(`http://${host}/`))).toBe(true)
  })

  test.each(['2130706433', '0x7f000001', '017700000001', '127.1', '0', '0x7f.1', '１２７.0.0.1'])(
    'written as %s',
    (text) => {
      expect(isRefused('public', hostOf(`http://${text}:8080/`))).toBe(true)
    },
  )

  test('with its neighbours outside the network allowed', () => {
    for (const host of ['9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '126.0.0.1']) {
      expect(isRefused('public', host)).toBe(false)
    }
    for (const host of ['8.8.8.8', '[2606:4700::1]', '[64:ff9b::808:808]', '[::ffff:8.8.8.8]']) {
      expect(isRefused('public', host)).toBe(false)
    }
  })
})

describe('a policy', () => {
  test('of a list allows what it names besides what is public', () => {
    const policy = ['10.1.0.0/16', '192.168.7.7', 'fd12::/16']
    for (const host of ['10.1.2.3', '192.168.7.7', '[fd12::1]', '[::ffff:10.1.2.3]', '8.8.8.8']) {
      expect(isRefused(policy, host)).toBe(false)
    }
    for (const host of ['10.2.0.1', '192.168.7.8', '[fd13::1]', '127.0.0.1']) {
      expect(isRefused(policy, host)).toBe(true)
    }
  })

  test.each<{ policy: AddressPolicy }>([
    { policy: 'any' },
    { policy: ['0.0.0.0/0', '::/0'] },
    { policy: ['169.254.0.0/16', 'fd00::/8'] },
  ])('$policy does not open the services that hand out credentials', ({ policy }) => {
    for (const host of ['169.254.169.254', '[::ffff:169.254.169.254]', '[fd00:ec2::254]']) {
      expect(isRefused(policy, host)).toBe(true)
    }
  })

  test('opens such a service where a list names the very address', () => {
    expect(isRefused(['169.254.169.254'], '169.254.169.254')).toBe(false)
    expect(isRefused(['169.254.169.254'], '169.254.170.2')).toBe(true)
  })

  test('any allows loopback and private addresses', () => {
    for (const host of ['127.0.0.1', '[::1]', '10.0.0.1', '[fe80::1]']) {
      expect(isRefused('any', host)).toBe(false)
    }
  })

  test.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    'fd00::/129',
    '300.1.1.1/8',
    'a b',
    '',
    '*',
    '*example.com',
  ])('with the entry "%s" is an error', (entry) => {
    expect(() => createAddressGuard([entry])).toThrow(
      expect.objectContaining({ code: 'setting-invalid' }),
    )
  })
})

/** What the agent's connection would be given. */
function lookUp(policy: AddressPolicy, addresses: readonly string[], all = true): Promise<unknown> {
  const guard = createAddressGuard(policy, async () => addresses)
  return new Promise((resolve, reject) => {
    guard.lookup('files.example', { all }, (error, found) => {
      if (error === null) resolve(found)
      else reject(error)
    })
  })
}

describe('a name', () => {
  test('goes to those of its addresses that are allowed', async () => {
    expect(await lookUp('public', ['127.0.0.1', '8.8.8.8', 'fe80::1%eth0'])).toEqual([
      { address: '8.8.8.8', family: 4 },
    ])
    expect(await lookUp('public', ['10.0.0.1', '2606:4700::1'], false)).toBe('2606:4700::1')
  })

  test('without an allowed address is refused', async () => {
    await expect(lookUp('public', ['127.0.0.1', '::1'])).rejects.toMatchObject(REFUSED)
    await expect(lookUp('public', ['fe80::1%eth0'])).rejects.toMatchObject(REFUSED)
  })

  test('without any address is unknown', async () => {
    await expect(lookUp('public', [])).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  test('that a list names goes to any address but to a service with credentials', async () => {
    const policy = ['FILES.example.']
    expect(await lookUp(policy, ['127.0.0.1', '169.254.169.254'])).toEqual([
      { address: '127.0.0.1', family: 4 },
    ])
    await expect(lookUp(policy, ['169.254.169.254'])).rejects.toMatchObject(REFUSED)
  })
})

test('a list names all hosts below one by a star, and not that one', async () => {
  const below = createAddressGuard(['*.corp.example'], async () => ['10.0.0.1'])
  const isKnown = (host: string): Promise<boolean> =>
    new Promise((resolve) => {
      below.lookup(host, { all: true }, (error) => resolve(error === null))
    })
  expect(await isKnown('files.corp.example')).toBe(true)
  expect(await isKnown('a.b.corp.example.')).toBe(true)
  expect(await isKnown('corp.example')).toBe(false)
  expect(await isKnown('evilcorp.example')).toBe(false)
  expect(await isKnown('files.corp.example.evil')).toBe(false)
})

async function getBy(url: string, policy: AddressPolicy, resolve?: ResolveHost): Promise<number> {
  const guard = createAddressGuard(policy, resolve)
  const agent = openAgent({ connectTimeoutMs: 5000, guard })
  const { signal } = new AbortController()
  try {
    const { origin } = new URL(url)
    const classify = (error: unknown): unknown => classifyNetworkError(error, 'GET', signal)
    const request = { method: 'GET', origin, target: '/', headers: {}, signal, classify } as const
    const { status, body } = await exchange(agent, request)
    await body.readText(1000)
    return status
  } finally {
    await agent.destroy()
  }
}

describe('an agent with a guard', () => {
  test('connects to nothing that is refused, address or name', async () => {
    const origin = await startOrigin(() => answer({ status: 200 }))
    const { port } = new URL(origin.url)
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433']) {
      await expect(getBy(`http://${host}:${port}/`, 'public')).rejects.toMatchObject(REFUSED)
    }
    expect(origin.requests).toEqual([])
    expect(origin.connectionCount).toBe(0)
    await origin.close()
  })

  test('connects to the very address that was checked, though the name changes', async () => {
    const origin = await startOrigin(() => answer({ status: 200 }))
    const { port } = new URL(origin.url)
    const turns = [['127.0.0.1'], ['127.0.0.2']]
    let asked = 0
    const resolve: ResolveHost = async () => turns[asked++] ?? []
    const policy = ['127.0.0.1']
    expect(await getBy(`http://rebinding.example:${port}/`, policy, resolve)).toBe(200)
    expect(asked).toBe(1)
    const again = getBy(`http://rebinding.example:${port}/`, policy, resolve)
    await expect(again).rejects.toMatchObject(REFUSED)
    expect(origin.requests.length).toBe(1)
    await origin.close()
  })

  test('reports a name that nobody knows as unreachable and not sent', async () => {
    const resolve: ResolveHost = async () => []
    const failed = getBy('http://nobody.example/', 'public', resolve)
    await expect(failed).rejects.toMatchObject({
      code: 'backend-unreachable',
      facts: { notSent: true },
    })
  })
})
