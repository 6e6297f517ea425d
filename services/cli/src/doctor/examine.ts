/**
 * `forebay doctor`: looks at everything that a node needs of its machine, and says what to do about
 * what is not so. It changes nothing and starts nothing.
 */
import { isSelf } from '@forebay/backend-port/is-self'
import { isFailure } from '@forebay/base/failure'
import type { Environment } from '@forebay/config/environment'
import type { SettingFlags } from '@forebay/config/flags'
import { loadSettings } from '@forebay/config/load'
import type { Settings } from '@forebay/config/schema'
import { checkCredentials } from './credentials.ts'
import { checkDisks } from './disks.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import { checkLimits, checkRuntime } from './limits.ts'
import type { Machine } from './machine.ts'
import { checkOrigins, type Origin } from './origins.ts'
import { checkPorts } from './ports.ts'

export interface ExamineInput {
  readonly machine: Machine
  readonly environment: Environment
  readonly flags: SettingFlags
  /** Undefined when there is no file of that name. */
  readonly readFile: (path: string) => Promise<string | undefined>
  /** Origins of the buckets of the node that runs, with the bucket as the name; empty when none does. */
  readonly bucketOrigins: () => Promise<readonly Origin[]>
  readonly signal: AbortSignal
}

/** Every finding, those of one check together. Settings that cannot be read leave the rest to do. */
export async function examine(input: ExamineInput): Promise<readonly Finding[]> {
  const { machine, environment, signal } = input
  const runtime = await checkRuntime(machine)
  const { settings, findings } = await readSettings(input)
  const awsProfile = settings?.backends.aws.profile
  const credentials = await checkCredentials({ machine, environment, awsProfile })
  const local = [...runtime, ...findings, ...checkLimits(machine, settings)]
  if (settings === undefined) return [...local, ...credentials]
  const hasAws = credentials.some(
    ({ level, message }) => level === 'ok' && message.startsWith('aws:'),
  )
  const origins = [
    ...statedOrigins(settings, environment, hasAws),
    ...(await input.bucketOrigins()),
  ]
  return [
    ...local,
    ...(await checkPorts(machine, settings, signal)),
    ...(await checkDisks(machine, settings)),
    ...credentials,
    ...(await checkIgnoredEndpoint(settings, environment)),
    ...(await checkOrigins({ machine, settings, origins: distinct(origins), signal })),
  ]
}

async function readSettings(
  input: ExamineInput,
): Promise<{ readonly settings: Settings | undefined; readonly findings: readonly Finding[] }> {
  const { flags, environment, readFile } = input
  try {
    const { settings, origins } = await loadSettings({ flags, environment, readFile })
    const set = [...origins.values()].filter(({ kind }) => kind !== 'default').length
    return { settings, findings: [ok('settings', `valid; ${set} differ from the defaults`)] }
  } catch (error) {
    if (!isFailure(error, 'setting-invalid')) throw error
    const todo =
      error.hint ?? 'correct it; "forebay config show --origin" tells where values come from'
    return { settings: undefined, findings: [problem('settings', error.message, todo)] }
  }
}

/** Origins that the settings name, of whatever provider; Amazon's own only for who has keys for it. */
function statedOrigins(
  settings: Settings,
  environment: Environment,
  hasAws: boolean,
): readonly Origin[] {
  const origins = Object.entries(settings.backends).flatMap(([provider, held]) =>
    'endpoint' in held && typeof held.endpoint === 'string'
      ? [{ name: `backends.${provider}`, url: held.endpoint, stated: true }]
      : [],
  )
  if (settings.backends.aws.endpoint !== undefined || !hasAws) return origins
  const { AWS_REGION, AWS_DEFAULT_REGION } = environment.variables
  const region = settings.backends.aws.region ?? (AWS_REGION || AWS_DEFAULT_REGION || 'us-east-1')
  const url = URL.parse(`https://s3.${region}.amazonaws.com`)
  if (url === null) return origins
  return [...origins, { name: 'backends.aws', url: url.origin, stated: false }]
}

function distinct(origins: readonly Origin[]): readonly Origin[] {
  const byUrl = new Map<string, Origin>()
  for (const origin of origins) if (!byUrl.has(origin.url)) byUrl.set(origin.url, origin)
  return [...byUrl.values()]
}

/**
 * AWS tools follow `AWS_ENDPOINT_URL`; a node does not, because there it often points at the node.
 * Somebody who set it to a store will wonder.
 */
async function checkIgnoredEndpoint(
  settings: Settings,
  environment: Environment,
): Promise<readonly Finding[]> {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = environment.variables
  const name = AWS_ENDPOINT_URL_S3 ? 'AWS_ENDPOINT_URL_S3' : 'AWS_ENDPOINT_URL'
  const url = URL.parse(AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL || '')
  if (url === null || settings.backends.aws.endpoint !== undefined) return []
  if (await isSelf(url.href, settings.listen)) return []
  const todo = `set backends.aws.endpoint to it: FOREBAY_BACKENDS__AWS__ENDPOINT=${url.origin}`
  return [warning('origin', `${name} is for clients; a node does not follow it`, todo)]
}
