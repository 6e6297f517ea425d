import { Failure } from '@forebay/base/failure'
import type { BackendBinding, BackendProvider } from '@forebay/model/bucket'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import { parseProperties } from '@forebay/model/property-list'
import { checkBucketName, parseProvider } from './bucket.ts'
import type { Fields } from './fields.ts'
import { parseGoDuration } from './go-duration.ts'
import { parseIecSize } from './iec-size.ts'

/** Names besides its own under which the S3 door may find a bucket. */
export const ALIASES_MAX = 16

/** Fields of our sub-tree that are no properties but belong to the bucket's row. */
const OWN_ROW_FIELDS: readonly string[] = ['aliases', 'backend']

/** What a create or set message asks for; absent means as it is. */
export interface DecodedChange {
  readonly properties: Partial<BucketProperties>
  readonly aliases?: readonly string[] | undefined
  /** Fields of the backend that were stated. */
  readonly backend?: Partial<BackendBinding> | undefined
}

/**
 * Reads AIStore's deep-partial property tree with our sub-tree `forebay`.
 *
 * AIStore's keys that this build cannot do are refused when they would switch something on, checked
 * and otherwise ignored when they only tune it.
 *
 * @throws Failure `property-invalid` | `argument-invalid` | `not-implemented`
 */
export function decodeBucketChange(fields: Fields): DecodedChange {
  checkForeign(fields)
  const own = fields.nested('forebay')
  const lru = fields.nested('lru')?.flag('enabled')
  const validate = fields.nested('versioning')?.flag('validate_warm_get')
  const verify = fields.nested('checksum')?.flag('validate_warm_get')
  const aliases = own?.texts('aliases', ALIASES_MAX)
  return {
    properties: {
      ...(lru === undefined ? {} : { evictable: lru }),
      ...(verify === undefined ? {} : { verifyWarm: verify }),
      ...(validate === true ? { revalidate: { kind: 'always' } } : {}),
      ...(own === undefined ? {} : parseProperties(own.except(OWN_ROW_FIELDS))),
    },
    aliases: aliases?.map(checkBucketName),
    backend: decodeBackend(fields, own),
  }
}

/** Backend fields from all three places: `backend_bck`, `extra.aws`, `forebay.backend`. */
function decodeBackend(
  fields: Fields,
  own: Fields | undefined,
): Partial<BackendBinding> | undefined {
  const bucket = fields.nested('backend_bck')
  const aws = fields.nested('extra')?.nested('aws')
  const ours = own?.nested('backend')
  const name = ours?.text('bucket') ?? nonEmpty(bucket?.text('name'))
  const word = ours?.text('provider') ?? nonEmpty(bucket?.text('provider'))
  const endpoint = ours?.text('endpoint') ?? nonEmpty(aws?.text('endpoint'))
  const region = ours?.text('region') ?? nonEmpty(aws?.text('cloud_region'))
  const profile = ours?.text('profile') ?? nonEmpty(aws?.text('profile'))
  const forcePathStyle = ours?.flag('force_path_style')
  const change: Partial<BackendBinding> = {
    ...(name === undefined ? {} : nameAt(parseBackendProvider(word ?? 'aws'), name)),
    ...(endpoint === undefined ? {} : { endpoint: checkEndpoint(endpoint) }),
    ...(region === undefined ? {} : { region: checkWord(region, 'region') }),
    ...(profile === undefined ? {} : { profile: checkWord(profile, 'profile') }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
  }
  return Object.keys(change).length === 0 ? undefined : change
}

function parseBackendProvider(word: string): BackendProvider {
  if (word === 'http') return word
  const provider = parseProvider(word)
  if (provider !== 'ais') return provider
  throw new Failure('not-implemented', 'another cluster as a backend is not built yet')
}

function nameAt(
  provider: BackendProvider,
  name: string,
): Pick<BackendBinding, 'provider' | 'bucket'> {
  const bucket = provider === 'http' ? checkDirectory(name) : checkBackendName(name)
  return { provider, bucket }
}

/** Longest URL of a directory, characters. */
const DIRECTORY_URL_LENGTH_MAX = 2048

/** The directory of a web server: its URL in the form that every key is appended to. */
function checkDirectory(text: string): string {
  const url = text.length > DIRECTORY_URL_LENGTH_MAX ? null : URL.parse(text)
  const isPlain =
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === ''
  if (isPlain) return url.href.endsWith('/') ? url.href : `${url.href}/`
  throw new Failure(
    'property-invalid',
    'an http backend is the URL of a directory, without credentials, query or fragment',
    { hint: 'such as https://host/datasets/' },
  )
}

/** Loose: the backend knows its own rules; this keeps slashes and control characters out of URLs. */
function checkBackendName(name: string): string {
  if (/^[A-Za-z0-9._-]{1,255}$/.test(name) && name !== '.' && name !== '..') return name
  throw new Failure('bucket-name-invalid', `"${name.slice(0, 80)}" is no name of a backend bucket`)
}

function checkEndpoint(text: string): string {
  const url = URL.parse(text)
  const isPlain = url !== null && url.username === '' && url.search === '' && url.hash === ''
  if (!isPlain || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Failure(
      'property-invalid',
      'endpoint must be an http or https URL without credentials, query or fragment',
    )
  }
  return text.replace(/\/+$/, '')
}

function checkWord(text: string, name: string): string {
  if (/^[A-Za-z0-9._@ -]{1,128}$/.test(text)) return text
  throw new Failure('property-invalid', `${name} "${text.slice(0, 40)}" is not a plain word`)
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** Largest count or buffer size that AIStore's tree takes here. */
const TUNING_MAX = 1_000_000

/** Copies over mountpaths (AIStore). */
const COPIES_MAX = 32

const SIZE_MAX = { min: -1, max: Number.MAX_SAFE_INTEGER } as const

/** Checks the sections of AIStore's tree that are not ours, so that nonsense is refused, not lost. */
function checkForeign(fields: Fields): void {
  checkOff(fields, 'mirror', ['burst_buffer'])
  checkOff(fields, 'ec', ['data_slices', 'parity_slices', 'bundle_multiplier', 'burst_buffer'])
  fields.nested('ec')?.integer('objsize_limit', SIZE_MAX)
  fields.nested('mirror')?.integer('copies', { min: 1, max: COPIES_MAX })
  for (const side of ['backend', 'frontend']) {
    const limit = fields.nested('rate_limit')?.nested(side)
    if (limit?.flag('enabled') === true) notBuilt(`rate_limit.${side}`)
    checkDuration(limit, 'interval')
  }
  checkDuration(fields.nested('lru'), 'dont_evict_time')
  checkDuration(fields.nested('lru'), 'capacity_upd_time')
  for (const name of ['objsize_limit', 'max_monolithic_size', 'chunk_size']) {
    const size = fields.nested('chunks')?.text(name)
    if (size !== undefined) parseIecSize(size)
  }
  checkSpace(fields.nested('space'))
  checkChecksum(fields.nested('checksum'))
  checkWritePolicy(fields.nested('write_policy'))
  for (const name of ['features', 'access']) {
    const bits = fields.text(name)
    if (bits !== undefined && !/^\d{1,20}$/.test(bits)) {
      throw new Failure('property-invalid', `${name} must be a decimal number in a string`)
    }
  }
}

function checkOff(fields: Fields, section: string, counts: readonly string[]): void {
  const tree = fields.nested(section)
  if (tree === undefined) return
  for (const name of counts) tree.integer(name, { min: 0, max: TUNING_MAX })
  if (tree.flag('enabled') === true) notBuilt(section)
}

function checkDuration(fields: Fields | undefined, name: string): void {
  const text = fields?.text(name)
  if (text !== undefined) parseGoDuration(text)
}

/** Watermarks, percent: they must rise. */
function checkSpace(space: Fields | undefined): void {
  if (space === undefined) return
  const limits = { min: 0, max: 100 }
  const marks = ['cleanupwm', 'lowwm', 'highwm', 'out_of_space']
    .map((name) => space.integer(name, limits))
    .filter((mark) => mark !== undefined)
  if (marks.some((mark, index) => index > 0 && mark < (marks[index - 1] ?? 0))) {
    throw new Failure('property-invalid', 'space watermarks must rise from cleanupwm to highwm')
  }
}

function checkChecksum(checksum: Fields | undefined): void {
  const type = checksum?.text('type')
  if (type === undefined || type === 'xxhash2' || type === 'xxhash') return
  if (['none', 'md5', 'crc32c', 'sha256', 'sha512'].includes(type)) {
    notBuilt(`checksum.type ${type}`)
  }
  throw new Failure('property-invalid', `checksum.type "${type.slice(0, 32)}" is unknown`)
}

function checkWritePolicy(policy: Fields | undefined): void {
  for (const name of ['data', 'md']) {
    const word = policy?.text(name)
    if (word === undefined || word === '' || word === 'immediate') continue
    if (word === 'delayed' || word === 'never') notBuilt(`write_policy.${name} ${word}`)
    throw new Failure('property-invalid', `write_policy.${name} "${word.slice(0, 32)}" is unknown`)
  }
}

function notBuilt(what: string): never {
  throw new Failure('not-implemented', `the bucket property ${what} is not built yet`)
}
