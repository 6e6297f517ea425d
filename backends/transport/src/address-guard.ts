import { lookup as systemLookup } from 'node:dns/promises'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Failure } from '@forebay/base/failure'

/**
 * Addresses that a connection may go to whose name somebody else chose: `public` ones only; `public`
 * ones and those of a list of addresses, networks (`10.1.0.0/16`) and host names (`*.example.com` for
 * all below one); or `any`. Services that hand out a machine's credentials are refused in each case,
 * unless a list names their very address.
 */
export type AddressPolicy = 'public' | 'any' | readonly string[]

/** Addresses of a host name, as text; rejects when the name has none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>

/**
 * Keeps connections to what a policy allows. It stands in the agent (`openAgent`), so the address that
 * was checked is the one that is used, at every redirect hop and whatever a name resolves to later.
 */
export interface AddressGuard {
  /**
   * Checks a host that is an address; names are checked when they are resolved.
   *
   * @throws Failure `backend-refused`
   */
  checkHost(host: string): void
  /** Resolves a name to those of its addresses that are allowed; `backend-refused` when none is. */
  readonly lookup: LookupFunction
}

/** Addresses of one name that are looked at; real names have under 20. */
const ADDRESSES_MAX = 64

/** Not reachable on the public Internet: IANA's registries of special-purpose addresses. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]

/** All but global unicast is special, and these parts of it. */
const GLOBAL_IPV6 = '2000::/3'
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '3fff::/20']

/** Services that tell credentials to whoever asks from the machine: AWS, ECS, EKS, GCP, Azure, Alibaba, Oracle. */
const METADATA = [
  '169.254.169.254/32',
  '169.254.170.2/32',
  '169.254.170.23/32',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd00:ec2::23/128',
  'fd20:ce::254/128',
]

/** @throws Failure `setting-invalid` for an entry of a list that is no address, network or name */
export function createAddressGuard(
  policy: AddressPolicy,
  resolve: ResolveHost = resolveBySystem,
): AddressGuard {
  const rules = readPolicy(policy)
  const refuse = (host: string, address: string): Failure => {
    const reached =
      host === address ? `the address ${address}` : `${host} has address ${address}, it`
    return new Failure('backend-refused', `${reached} may not be connected to`, {
      hint: 'allow the address in the settings if it is meant',
    })
  }
  return {
    checkHost(host) {
      const address = host.replace(/^\[(.*)\]$/, '$1')
      if (isIP(address) !== 0 && !isAllowed(rules, address, address)) throw refuse(host, address)
    },
    lookup(host, options, callback) {
      const allowedOf = async (): Promise<{ address: string; family: number }[]> => {
        const found = (await resolve(host)).slice(0, ADDRESSES_MAX)
        const allowed = found.filter((address) => isAllowed(rules, host, address))
        const [first] = found
        if (allowed.length === 0 && first !== undefined) throw refuse(host, first)
        return allowed.map((address) => ({ address, family: isIP(address) }))
      }
      allowedOf().then(
        (addresses) => {
          const wanted = addresses.filter(
            ({ family }) => !options.family || options.family === family,
          )
          const [first] = wanted
          if (first === undefined) callback(notFound(host), '')
          else if (options.all === true) callback(null, wanted)
          else callback(null, first.address, first.family)
        },
        (error: unknown) => callback(error instanceof Error ? error : notFound(host), ''),
      )
    },
  }
}

interface Rules {
  readonly any: boolean
  readonly networks: BlockList
  /** Addresses that a list names one by one. */
  readonly single: BlockList
  readonly hosts: ReadonlySet<string>
}

function readPolicy(policy: AddressPolicy): Rules {
  const entries = typeof policy === 'string' ? [] : policy
  const networks = entries.filter((entry) => entry.includes('/') || isIP(entry) !== 0)
  const full = networks.map((entry) => (entry.includes('/') ? entry : `${entry}/${widthOf(entry)}`))
  return {
    any: policy === 'any',
    networks: networkList(full),
    single: networkList(full.filter((entry) => entry.endsWith(`/${widthOf(entry)}`))),
    hosts: new Set(entries.filter((entry) => !networks.includes(entry)).map(readHost)),
  }
}

function widthOf(entry: string): number {
  return entry.includes(':') ? 128 : 32
}

function readHost(entry: string): string {
  const host = plainHost(entry)
  if (/^(\*\.)?[a-z0-9_][a-z0-9_.-]{0,252}$/.test(host)) return host
  throw new Failure('setting-invalid', `"${entry}" is no address, network or host name`)
}

function plainHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

/** A host is named by itself or by `*.` and what stands behind one of its dots. */
function namesHost(hosts: ReadonlySet<string>, host: string): boolean {
  if (hosts.has(host)) return true
  for (let at = host.indexOf('.'); at >= 0; at = host.indexOf('.', at + 1)) {
    if (hosts.has(`*${host.slice(at)}`)) return true
  }
  return false
}

const SPECIAL = networkList([...SPECIAL_IPV4, ...SPECIAL_IPV6])
const GLOBAL = networkList([GLOBAL_IPV6])
const METADATA_SERVICES = networkList(METADATA)

function networkList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits = ''] = entry.split('/')
    const family = isIP(address)
    const width = widthOf(address)
    if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > width) {
      throw new Failure('setting-invalid', `"${entry}" is no network like 10.1.0.0/16`)
    }
    list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

function isAllowed(rules: Rules, host: string, address: string): boolean {
  // A zone says through which interface; the address is the rest.
  const plain = address.replace(/%.*$/, '')
  const forms = isIP(plain) === 6 ? [plain, ...embeddedIpv4(plain)] : [plain]
  if (isIP(plain) === 0) return false
  if (forms.some((form) => isIn(rules.single, form))) return true
  if (forms.some((form) => isIn(METADATA_SERVICES, form))) return false
  if (rules.any || namesHost(rules.hosts, plainHost(host))) return true
  if (forms.some((form) => isIn(rules.networks, form))) return true
  // An IPv4 address in IPv6's clothes is judged as what it is.
  const real = forms[1] ?? plain
  return !isIn(SPECIAL, real) && (isIP(real) === 4 || isIn(GLOBAL, real))
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056). */
function embeddedIpv4(address: string): readonly string[] {
  // WHATWG's parser writes every form the same way: no dots, one `::`, no leading zeros.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const words = [...before, ...zeros, ...after].map((word) => Number.parseInt(word, 16))
  const start = words.slice(0, 6).join(':')
  const [, high = 0, low = 0] = words
  if (words[0] === 0x2002) return [dotted(high, low)]
  const embedding = ['0:0:0:0:0:0', '0:0:0:0:0:65535', `${0x64}:${0xff9b}:0:0:0:0`]
  return embedding.includes(start) ? [dotted(words[6] ?? 0, words[7] ?? 0)] : []
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

function notFound(host: string): Error {
  return Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' })
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  return (await systemLookup(host, { all: true })).map(({ address }) => address)
}
