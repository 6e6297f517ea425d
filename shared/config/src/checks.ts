import { Failure } from '@forebay/base/failure'
import type { ListenerSettings, Settings, UserSettings } from './schema.ts'

/**
 * Secrets that programs ship with or documents show; whoever scans the internet tries them first.
 * Lower case; compared without regard to case.
 */
const WELL_KNOWN_SECRETS: ReadonlySet<string> = new Set([
  '12345678',
  '123456789',
  '1234567890',
  'accesskey',
  'admin123',
  'adminadmin',
  'changeme',
  'changeit',
  'default1',
  'minioadmin',
  'minio123',
  'passw0rd',
  'password',
  'password1',
  'password123',
  'qwertyuiop',
  'rustfsadmin',
  'secretkey',
  'test1234',
  'testtest',
  'wjalrxutnfemi/k7mdeng/bpxrficyexamplekey',
])

/**
 * Checks what no single setting can say.
 *
 * @throws Failure `setting-invalid`
 */
export async function checkSettings(
  settings: Settings,
  readFile: (path: string) => Promise<string | undefined>,
): Promise<void> {
  checkListeners(settings.listen)
  checkMountpaths(settings.mountpaths)
  checkWatermarks(settings.space)
  checkAccess(settings)
  for (const [at, { tls }] of settings.listen.entries()) {
    if (tls === undefined) continue
    await checkPem(`listen[${at}].tls.cert`, tls.cert, readFile)
    await checkPem(`listen[${at}].tls.key`, tls.key, readFile)
  }
}

/** True for an address that only this machine reaches. */
export function isLoopback(address: string): boolean {
  const host = address.toLowerCase()
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

function checkListeners(listen: readonly ListenerSettings[]): void {
  if (listen.length === 0) throw invalid('listen is empty; it needs at least one {address, port}')
  const seen = new Set<string>()
  for (const { address, port } of listen) {
    const place = `${address}:${port}`
    if (port !== 0 && seen.has(place)) throw invalid(`listen names ${place} twice`)
    seen.add(place)
  }
}

function checkMountpaths(mountpaths: readonly string[]): void {
  if (mountpaths.length === 0) throw invalid('mountpaths is empty; it needs at least one directory')
  const twice = mountpaths.find((path, at) => mountpaths.indexOf(path) !== at)
  if (twice !== undefined) throw invalid(`mountpaths names ${twice} twice`)
}

function checkWatermarks(space: Settings['space']): void {
  const { lowWatermarkPercent, highWatermarkPercent, outOfSpacePercent } = space
  const order = [
    ['space.lowWatermark', lowWatermarkPercent],
    ['space.highWatermark', highWatermarkPercent],
    ['space.outOfSpace', outOfSpacePercent],
  ] as const
  for (const [at, [key, percent]] of order.entries()) {
    const next = order[at + 1]
    if (next !== undefined && percent > next[1]) {
      throw invalid(
        `${key} (${percent}) is above ${next[0]} (${next[1]}); want cleanup <= low <= high <= outOfSpace`,
      )
    }
  }
}

function checkAccess(settings: Settings): void {
  const { mode, users, insecure } = settings.auth
  if (mode === 'users') {
    if (users.length === 0) {
      throw invalid('auth.mode is users, but auth.users is empty; nobody could use the node')
    }
    checkDistinct(users, 'id')
    checkDistinct(users, 'accessKey')
    if (!insecure) users.forEach(checkSecret)
    return
  }
  if (users.length > 0) {
    throw invalid('auth.mode is open, but auth.users is set; remove one of them')
  }
  const reachable = settings.listen.findIndex(({ address }) => !isLoopback(address))
  const listener = settings.listen[reachable]
  if (listener === undefined || insecure) return
  throw invalid(
    `auth.mode is open, but listen[${reachable}] is ${listener.address}:${listener.port}, which other machines reach; ` +
      'set auth.users, or listen on 127.0.0.1 only, or pass --insecure to let everybody in',
  )
}

function checkDistinct(users: readonly UserSettings[], field: 'id' | 'accessKey'): void {
  const seen = new Set<string>()
  for (const [at, user] of users.entries()) {
    if (seen.has(user[field])) {
      throw invalid(`auth.users[${at}].${field} is "${user[field]}" a second time`)
    }
    seen.add(user[field])
  }
}

function checkSecret(user: UserSettings, at: number): void {
  const secret = user.secretKey.toLowerCase()
  const why = WELL_KNOWN_SECRETS.has(secret)
    ? 'is a well-known default'
    : secret === user.accessKey.toLowerCase()
      ? 'is the same as the access key'
      : new Set(secret).size < 4
        ? 'has fewer than 4 different characters'
        : undefined
  if (why === undefined) return
  throw invalid(
    `auth.users[${at}].secretKey ${why}; choose another, for example with: openssl rand -base64 30`,
  )
}

async function checkPem(
  key: string,
  path: string,
  readFile: (path: string) => Promise<string | undefined>,
): Promise<void> {
  const text = await readFile(path)
  if (text === undefined) throw invalid(`${key}: there is no file ${path}`)
  if (!text.includes('-----BEGIN ')) throw invalid(`${key}: ${path} is not a PEM file`)
}

function invalid(message: string): Failure {
  return new Failure('setting-invalid', message)
}
