import { Failure } from '@forebay/base/failure'

/** Oldest that knows what the scripts need. */
const VERSION_MIN = [6, 2] as const

/**
 * Refuses a Redis that would lose jobs.
 *
 * @param info what INFO said
 * @throws Failure `setting-invalid`
 */
export function checkServer(info: string, where: string): void {
  const trouble = serverTrouble(info, where)
  if (trouble === undefined) return
  const { message, hint } = trouble
  throw new Failure('setting-invalid', message, { hint })
}

/** Why a Redis would lose jobs, and what to do; `undefined` where it would not. */
export function serverTrouble(
  info: string,
  where: string,
): { readonly message: string; readonly hint: string } | undefined {
  const version = fieldOf(info, 'redis_version') ?? ''
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0)
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
    return {
      message: `Redis at ${where} is ${version}, older than 6.2`,
      hint: 'Use Redis 6.2 or newer, or Valkey.',
    }
  }
  const policy = fieldOf(info, 'maxmemory_policy') ?? 'noeviction'
  if (policy === 'noeviction') return undefined
  return {
    message: `Redis at ${where} may forget jobs: its maxmemory-policy is ${policy}`,
    hint: 'Set "maxmemory-policy noeviction" in its configuration, or use another Redis.',
  }
}

/** How many replicas it has. */
export function replicasOf(info: string): number {
  return Number(fieldOf(info, 'connected_slaves') ?? 0)
}

/** A field of what INFO said. */
export function fieldOf(info: string, name: string): string | undefined {
  const line = info.split(/\r?\n/).find((each) => each.startsWith(`${name}:`))
  return line?.slice(name.length + 1).trim()
}
