import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectAttributes } from '@forebay/model/object'
import type { HeadAnswer, ObjectAddress } from '@forebay/peer/target-port'
import { SOURCE_ETAG_METADATA } from '../../objects/copy.ts'
import type { ListedVersion } from './destination-versions.ts'

/** An ETag that is the MD5 of the bytes. */
const MD5_ETAG = /^[0-9a-f]{32}$/

/**
 * Whether a copy has the bytes of the source: by tag, by the tag that the copy was noted with, or by a
 * checksum that both have. Where nothing tells, it has not.
 *
 * @param of what lists told of the two, or HEADs
 * @param at where they are, and who is asked for their attributes where tags do not tell
 */
export async function sameContent(
  of: { readonly version: ListedVersion; readonly copy: ListedVersion },
  at: {
    readonly source: ObjectAddress
    readonly place: { readonly bucket: BucketRecord | undefined; readonly key: string }
    open(address: ObjectAddress): Promise<HeadAnswer>
  },
): Promise<boolean> {
  const { version, copy } = of
  const { bucket, key } = at.place
  if (version.sizeBytes !== copy.sizeBytes) return false
  if (version.etag !== '' && version.etag === copy.etag) return true
  if (MD5_ETAG.test(version.etag) && MD5_ETAG.test(copy.etag)) return false
  if (bucket === undefined) return false
  const [source, place] = await Promise.all([at.open(at.source), at.open({ bucket, key })])
  if (source.kind !== 'found' || place.kind !== 'found') return false
  // The index page of a web server tells no tags, its answers do.
  if (version.etag !== '' && source.attributes.etag !== version.etag) return false
  if (place.attributes.etag !== copy.etag) return false
  return sameAttributes(source.attributes, place.attributes)
}

function sameAttributes(source: ObjectAttributes, copy: ObjectAttributes): boolean {
  if (source.etag !== '' && source.etag === copy.metadata[SOURCE_ETAG_METADATA]) return true
  const known = digestsOf(copy)
  for (const [algorithm, hex] of digestsOf(source)) {
    const other = known.get(algorithm)
    if (other !== undefined) return other === hex
  }
  return false
}

function digestsOf({ etag, checksums }: ObjectAttributes): ReadonlyMap<string, string> {
  const whole = checksums.filter(({ kind }) => kind === 'whole')
  const digests = new Map<string, string>(whole.map(({ algorithm, hex }) => [algorithm, hex]))
  if (MD5_ETAG.test(etag) && !digests.has('md5')) digests.set('md5', etag)
  return digests
}
