import type { Environment } from '@forebay/config/environment'
import type { Settings } from '@forebay/config/schema'
import { type Finding, ok, problem, remark, warning } from './finding.ts'
import type { Machine } from './machine.ts'

/** One place where a vendor's chain finds credentials; never the credentials. */
interface Source {
  readonly place: string
  /** Something of it is there, and something that it needs is not. */
  readonly lacks?: string | undefined
}

/** What the search needs. */
export interface CredentialsInput {
  readonly machine: Machine
  readonly environment: Environment
  /** Absent when the settings cannot be read. */
  readonly backends: Settings['backends'] | undefined
}

/**
 * Which credentials the vendors' chains would find on this machine, in their order: the sources, never
 * the values. Roles that a machine gets from its cloud are not asked for.
 */
export async function checkCredentials(input: CredentialsInput): Promise<readonly Finding[]> {
  const [aws, gcs] = await Promise.all([awsFindings(input), gcsSources(input)])
  return [...aws, ...vendorFindings('gcs', gcs), ...vendorFindings('azure', azureSources(input))]
}

function vendorFindings(vendor: string, sources: readonly Source[]): readonly Finding[] {
  if (sources.length === 0) {
    return [
      remark('credentials', `${vendor}: none found; a role of the machine may still give some`),
    ]
  }
  return sources.map(({ place, lacks }, at) => {
    if (lacks !== undefined) {
      return warning(
        'credentials',
        `${vendor}: ${place}, but ${lacks}`,
        'complete it, or take it away',
      )
    }
    const later = at === 0 ? '' : ' (only when those above are not taken)'
    return ok('credentials', `${vendor}: ${place}${later}`)
  })
}

async function awsFindings(input: CredentialsInput): Promise<readonly Finding[]> {
  const { variables } = input.environment
  const stated = input.backends?.aws.profile ?? nonEmpty(variables['AWS_PROFILE'])
  const sources = await awsSources(input, stated ?? 'default')
  const inFiles = sources.some(({ place }) => place.startsWith('profile '))
  const findings = vendorFindings('aws', sources)
  if (stated === undefined || inFiles) return findings
  const message = `aws: profile "${stated}" is in neither credentials nor config file`
  return [
    ...findings,
    problem('credentials', message, 'correct the profile, or make it by: aws configure'),
  ]
}

async function awsSources(input: CredentialsInput, profile: string): Promise<readonly Source[]> {
  const { variables } = input.environment
  const has = (name: string): boolean => nonEmpty(variables[name]) !== undefined
  const sources: Source[] = []
  // A profile stated in the settings goes before the environment's keys.
  if (
    input.backends?.aws.profile === undefined &&
    (has('AWS_ACCESS_KEY_ID') || has('AWS_SECRET_ACCESS_KEY'))
  ) {
    sources.push({
      place: 'environment AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY',
      lacks: !has('AWS_ACCESS_KEY_ID')
        ? 'AWS_ACCESS_KEY_ID is not set'
        : !has('AWS_SECRET_ACCESS_KEY')
          ? 'AWS_SECRET_ACCESS_KEY is not set'
          : undefined,
    })
  }
  sources.push(...(await profileSources(input, profile)))
  if (has('AWS_WEB_IDENTITY_TOKEN_FILE')) {
    sources.push({
      place: 'environment AWS_WEB_IDENTITY_TOKEN_FILE',
      lacks: has('AWS_ROLE_ARN') ? undefined : 'AWS_ROLE_ARN is not set',
    })
  }
  for (const name of [
    'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
    'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  ]) {
    if (has(name)) sources.push({ place: `environment ${name}` })
  }
  return sources
}

/** Keys of a profile by which credentials come, and how. */
const PROFILE_KEYS: readonly (readonly [key: string, how: string])[] = [
  ['aws_access_key_id', 'keys'],
  ['sso_session', 'single sign-on'],
  ['sso_start_url', 'single sign-on'],
  ['role_arn', 'a role to assume'],
  ['credential_process', 'a program'],
  ['web_identity_token_file', 'a token file'],
]

async function profileSources(
  { machine, environment }: CredentialsInput,
  profile: string,
): Promise<readonly Source[]> {
  const { variables, home } = environment
  const files = [
    nonEmpty(variables['AWS_SHARED_CREDENTIALS_FILE']) ?? `${home}/.aws/credentials`,
    nonEmpty(variables['AWS_CONFIG_FILE']) ?? `${home}/.aws/config`,
  ]
  const found: Source[] = []
  for (const path of files) {
    const text = await machine.readText(path)
    const keys = text === undefined ? undefined : keysOfProfile(text, profile)
    if (keys === undefined) continue
    const way = PROFILE_KEYS.find(([key]) => keys.has(key))
    // A profile may hold a region alone; the credentials come from elsewhere then.
    if (way === undefined) continue
    const lacks =
      way[0] === 'aws_access_key_id' && !keys.has('aws_secret_access_key')
        ? 'aws_secret_access_key is not there'
        : undefined
    found.push({ place: `profile "${profile}" of ${path} (${way[1]})`, lacks })
  }
  return found
}

/** Names of the keys of one profile of an AWS file; undefined when it is not there. */
function keysOfProfile(text: string, profile: string): ReadonlySet<string> | undefined {
  let keys: Set<string> | undefined
  let inside = false
  for (const line of text.split('\n')) {
    const section = /^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/.exec(line)
    if (section !== null) {
      inside = section[1] === profile
      if (inside) keys ??= new Set()
    } else if (inside) {
      const key = /^\s*([\w.-]+)\s*=/.exec(line)?.[1]
      if (key !== undefined) keys?.add(key)
    }
  }
  return keys
}

async function gcsSources(input: CredentialsInput): Promise<readonly Source[]> {
  const { machine, environment, backends } = input
  const { variables, home } = environment
  if (backends?.gcp.anonymous === true) return [{ place: 'setting backends.gcp.anonymous (none)' }]
  const set = backends?.gcp.credentialsFile
  const stated = set ?? nonEmpty(variables['GOOGLE_APPLICATION_CREDENTIALS'])
  if (stated !== undefined) {
    const text = await machine.readText(stated)
    const where =
      set === undefined
        ? 'environment GOOGLE_APPLICATION_CREDENTIALS'
        : 'setting backends.gcp.credentialsFile'
    const place = `${where} (${stated})`
    return [{ place, lacks: text === undefined ? 'the file cannot be read' : typeFault(text) }]
  }
  const folder = nonEmpty(variables['CLOUDSDK_CONFIG']) ?? `${home}/.config/gcloud`
  const path = `${folder}/application_default_credentials.json`
  const text = await machine.readText(path)
  return text === undefined ? [] : [{ place: path, lacks: typeFault(text) }]
}

/** Google's files are JSON objects that say their type. */
function typeFault(text: string): string | undefined {
  try {
    const held: unknown = JSON.parse(text)
    return typeof held === 'object' && held !== null && 'type' in held
      ? undefined
      : 'the file has no "type"'
  } catch {
    return 'the file is not JSON'
  }
}

function azureSources({ environment, backends }: CredentialsInput): readonly Source[] {
  const { variables } = environment
  const has = (name: string): boolean => nonEmpty(variables[name]) !== undefined
  const sources: Source[] = []
  const hasAccount = backends?.azure.account !== undefined || has('AZURE_STORAGE_ACCOUNT')
  const lacks = hasAccount
    ? undefined
    : 'neither backends.azure.account nor AZURE_STORAGE_ACCOUNT is set'
  // The settings take over what the environment says; then that is where it comes from.
  if (backends?.azure.key !== undefined && !has('AZURE_STORAGE_KEY')) {
    sources.push({ place: 'setting backends.azure.key', lacks })
  }
  if (backends?.azure.sasToken !== undefined && !has('AZURE_STORAGE_SAS_TOKEN')) {
    sources.push({ place: 'setting backends.azure.sasToken', lacks })
  }
  if (has('AZURE_STORAGE_CONNECTION_STRING')) {
    sources.push({ place: 'environment AZURE_STORAGE_CONNECTION_STRING' })
  } else if (backends?.azure.connectionString !== undefined) {
    sources.push({ place: 'setting backends.azure.connectionString' })
  }
  const secrets = ['AZURE_STORAGE_KEY', 'AZURE_STORAGE_SAS_TOKEN'].filter(has)
  if (secrets.length > 0) {
    sources.push({
      place: `environment ${secrets.join(', ')}`,
      lacks,
    })
  }
  if (has('AZURE_CLIENT_SECRET') || has('AZURE_FEDERATED_TOKEN_FILE')) {
    const absent = ['AZURE_CLIENT_ID', 'AZURE_TENANT_ID'].find((name) => !has(name))
    sources.push({
      place: `environment ${has('AZURE_CLIENT_SECRET') ? 'AZURE_CLIENT_SECRET' : 'AZURE_FEDERATED_TOKEN_FILE'}`,
      lacks: absent === undefined ? undefined : `${absent} is not set`,
    })
  }
  return sources
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}
