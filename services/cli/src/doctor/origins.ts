import { isSelf } from '@forebay/backend-port/is-self'
import type { Settings } from '@forebay/config/schema'
import { type Finding, ok, problem, remark, warning } from './finding.ts'
import type { Answer, Machine } from './machine.ts'

/** A store that a node would talk to. */
export interface Origin {
  readonly name: string
  readonly url: string
  /** Somebody wrote it down, so not to reach it is a problem. */
  readonly stated: boolean
}

/** Longest wait for one origin. */
const ORIGIN_TIMEOUT_MS = 5000

/** Origins asked at most; a node may have thousands of buckets, each with its own. */
const ORIGINS_MAX = 20

/** A clock this wrong is worth a look: stores compare dates to the second. */
export const SKEW_WARNING_MS = 30_000

/** Stores refuse signatures that are 15 minutes off; some of that is theirs. */
const SKEW_PROBLEM_MS = 10 * 60_000

/** What origins are asked with. */
export interface OriginsInput {
  readonly machine: Machine
  readonly settings: Settings
  readonly origins: readonly Origin[]
  readonly signal: AbortSignal
}

/** Does each origin answer, is it not this node itself, and does its clock agree with ours? */
export async function checkOrigins(input: OriginsInput): Promise<readonly Finding[]> {
  const { origins } = input
  const asked = origins.slice(0, ORIGINS_MAX)
  const results = await Promise.all(asked.map((origin) => checkOrigin(input, origin)))
  const left = origins.length - asked.length
  return [
    ...results.flat(),
    ...(left === 0 ? [] : [remark('origin', `${left} more origins were not asked`)]),
  ]
}

async function checkOrigin(
  { machine, settings, signal }: OriginsInput,
  { name, url, stated }: Origin,
): Promise<readonly Finding[]> {
  if (await isSelf(url, settings.listen)) {
    const what = `${name}: ${url} is an address of this node itself`
    return [problem('origin', what, 'name the store, or give this node another port')]
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ORIGIN_TIMEOUT_MS)])
  const answer = await machine.ask(url, limit)
  signal.throwIfAborted()
  if (answer.kind === 'answered') {
    const { status, tookMs } = answer
    const told = ok('origin', `${name}: ${url} answers (${status}, ${Math.round(tookMs)} ms)`)
    return [told, ...clockFindings(name, answer)]
  }
  const what = `${name}: ${url} does not answer: ${answer.reason}`
  return stated
    ? [problem('origin', what, todoFor(answer.reason))]
    : [remark('origin', `${what}; only buckets there need it`)]
}

function todoFor(reason: string): string {
  if (reason === 'ENOTFOUND' || reason === 'EAI_AGAIN') return 'check the host name and DNS'
  if (reason === 'ECONNREFUSED') return 'check the port, and that the store runs'
  if (reason.includes('CERT') || reason.includes('SELF_SIGNED')) {
    return 'have its certificate signed by an authority that this machine trusts (NODE_EXTRA_CA_CERTS)'
  }
  return 'check the address, firewalls and proxies'
}

/** How far this machine's clock is from another one. @param skewMs ours less theirs */
export function skewText(skewMs: number, name: string): string {
  const seconds = Math.round(Math.abs(skewMs) / 1000)
  return `this machine's clock is ${seconds} s ${skewMs < 0 ? 'behind' : 'ahead of'} that of ${name}`
}

/** RFC 9110 section 6.6.1: `Date` is the origin's clock, to the second. */
function clockFindings(
  name: string,
  answer: Extract<Answer, { kind: 'answered' }>,
): readonly Finding[] {
  const theirsMs = Date.parse(answer.headers.get('date') ?? '')
  if (Number.isNaN(theirsMs)) return []
  const skewMs = answer.askedAtMs - theirsMs
  const what = skewText(skewMs, name)
  if (Math.abs(skewMs) >= SKEW_PROBLEM_MS) {
    return [
      problem(
        'clock',
        `${what}; it will refuse our signatures`,
        'set the clock (timedatectl set-ntp true)',
      ),
    ]
  }
  if (Math.abs(skewMs) >= SKEW_WARNING_MS) {
    return [warning('clock', what, 'set the clock (timedatectl set-ntp true)')]
  }
  return [ok('clock', `agrees with ${name}`)]
}
