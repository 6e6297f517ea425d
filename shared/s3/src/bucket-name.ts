import { Failure } from '@forebay/base/failure'
import { RESERVED_SEGMENTS } from './request-target.ts'

const SHAPE = /^[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$/
const IP_ADDRESS = /^\d{1,3}(?:\.\d{1,3}){3}$/
const PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-']
const SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3']

/**
 * Checks the name of a bucket that is to be made: the rules of Amazon S3 for general purpose buckets,
 * and the first path segments that other doors own. Names of existing buckets are never checked.
 *
 * @throws Failure `bucket-name-invalid`
 */
export function checkNewBucketName(name: string): string {
  const why = whyInvalid(name)
  if (why !== undefined) {
    throw new Failure('bucket-name-invalid', `"${name.slice(0, 80)}" cannot name a bucket: ${why}`)
  }
  return name
}

/** True for a name that a bucket could be made with. */
export function isNewBucketName(name: string): boolean {
  return whyInvalid(name) === undefined
}

function whyInvalid(name: string): string | undefined {
  if (name.length < 3 || name.length > 63) return 'it must have 3 to 63 characters'
  if (!SHAPE.test(name)) {
    return 'only a-z, 0-9, "." and "-" are allowed, with a letter or digit at both ends'
  }
  if (name.includes('..') || name.includes('.-') || name.includes('-.')) {
    return 'a "." must stand between letters or digits'
  }
  if (IP_ADDRESS.test(name)) return 'it looks like an IP address'
  const prefix = PREFIXES.find((start) => name.startsWith(start))
  if (prefix !== undefined) return `names that begin with ${prefix} are reserved`
  const suffix = SUFFIXES.find((end) => name.endsWith(end))
  if (suffix !== undefined) return `names that end in ${suffix} are reserved`
  return RESERVED_SEGMENTS.has(name) ? 'the path is taken by another part of Forebay' : undefined
}
