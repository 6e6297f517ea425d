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
import { checkCertificates } from './certificates.ts'
import { checkCredentials } from './credentials.ts'
import { checkDisks } from './disks.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import { checkLimits, checkRuntime } from './limits.ts'
import type { Machine } from './machine.ts'
import { checkMountpaths } from './mountpaths.ts'
import { checkOrigins, type Origin } from './origins.ts'
import { checkPorts } from './ports.ts'
import { checkRedis } from './redis.ts'

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
  const backends = settings?.backends
  const credentials = await checkCredentials({ machine, environment, backends })
  const local = [...runtime, ...findings, ...checkLimits(machine, settings)]
  if (settings === undefined) return [...local, ...credentials]
  const origins = [
    ...statedOrigins({ settings, environment, credentials }),
    ...(await input.bucketOrigins()),
  ]
  const mountpaths = await checkMountpaths(machine, settings)
  return [
    ...local,
    ...(await checkPorts(machine, settings, signal)),
    ...(await checkCertificates(machine, settings)),
    ...(await checkDisks(machine, { ...settings, mountpaths: mountpaths.paths })),
    ...mountpaths.findings,
    ...credentials,
    ...(await checkRedis({ machine, settings, searchPath: environment.variables['PATH'] ?? '' })),
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

/** Origins that the settings name, and the vendors' own for who has credentials for them. */
function statedOrigins(input: {
  readonly settings: Settings
  readonly environment: Environment
  readonly credentials: readonly Finding[]
}): readonly Origin[] {
  const { settings, environment, credentials } = input
  const { aws, gcp, azure } = settings.backends
  const has = (vendor: string): boolean =>
    credentials.some(({ level, message }) => level === 'ok' && message.startsWith(`${vendor}:`))
  const { AWS_REGION, AWS_DEFAULT_REGION, AZURE_STORAGE_ACCOUNT } = environment.variables
  const region = aws.region ?? (AWS_REGION || AWS_DEFAULT_REGION || 'us-east-1')
  const account = azure.account ?? AZURE_STORAGE_ACCOUNT ?? ''
  const candidates = [
    { vendor: 'aws', stated: aws.endpoint, own: `https://s3.${region}.amazonaws.com` },
    { vendor: 'gcs', stated: gcp.endpoint, own: 'https://storage.googleapis.com' },
    { vendor: 'azure', stated: azure.endpoint, own: `https://${account}.blob.core.windows.net` },
  ]
  return candidates.flatMap(({ vendor, stated, own }): readonly Origin[] => {
    const name = `backends.${vendor === 'gcs' ? 'gcp' : vendor}`
    if (stated !== undefined) return [{ name, url: stated, stated: true }]
    const url = has(vendor) ? URL.parse(own) : null
    return url === null || url.hostname.startsWith('.')
      ? []
      : [{ name, url: url.origin, stated: false }]
  })
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
