import type { ObjectAttributes } from '@forebay/model/object'
import type { HeadAnswer } from '@forebay/peer/target-port'
import { SOURCE_ETAG_METADATA } from '../../objects/copy.ts'

/** An ETag that is the MD5 of the bytes. */
const MD5_ETAG = /^[0-9a-f]{32}$/

/**
 * Whether a copy has the bytes of the source: by tag, by the tag that the copy was noted with, or by a
 * checksum that both have. Where nothing tells, it has not.
 *
 * @param version the source as it was listed
 * @param open asks for all attributes of the source, where tags do not tell
 */
export async function sameContent(
  version: Pick<ObjectAttributes, 'etag' | 'sizeBytes'>,
  copy: ObjectAttributes,
  open: () => Promise<HeadAnswer>,
): Promise<boolean> {
  if (version.sizeBytes !== copy.sizeBytes) return false
  if (version.etag !== '') {
    if (version.etag === copy.etag) return true
    if (version.etag === copy.metadata[SOURCE_ETAG_METADATA]) return true
    if (MD5_ETAG.test(version.etag) && MD5_ETAG.test(copy.etag)) return false
  }
  const head = await open()
  if (head.kind !== 'found') return false
  const { etag } = head.attributes
  // The index page of a web server tells no tags, its answers do.
  if (version.etag === '' && etag !== '') return etag === copy.metadata[SOURCE_ETAG_METADATA]
  if (etag !== version.etag) return false
  const known = digestsOf(copy)
  for (const [algorithm, hex] of digestsOf(head.attributes)) {
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
