import { createHash } from 'node:crypto'
import type { CompleteOptions } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { bytesOf } from './byte-source.ts'
import type { PendingUpload, VersionContent } from './memory-bucket.ts'

/**
 * The object that the named parts make: their bytes in order, the MD5 of their MD5s as ETag.
 *
 * @throws Failure `part-order-invalid` | `part-invalid` | `entity-too-small`
 */
export function completeUpload(
  upload: PendingUpload,
  options: CompleteOptions,
  limits: { readonly partBytesMin: number; readonly nowMs: number },
): VersionContent {
  const found = options.parts.map(({ partNumber, etag }, index) => {
    if (index > 0 && partNumber <= (options.parts[index - 1]?.partNumber ?? 0)) {
      throw new Failure('part-order-invalid', 'the parts are not in ascending order')
    }
    const part = upload.parts.get(partNumber)
    if (part === undefined || part.etag !== etag) {
      throw new Failure('part-invalid', `part ${partNumber} with ETag ${etag} was not uploaded`)
    }
    return { partNumber, ...part }
  })
  if (found.length === 0) throw new Failure('xml-malformed', 'an upload needs at least one part')
  for (const { partNumber, source } of found.slice(0, -1)) {
    if (source.sizeBytes < limits.partBytesMin) {
      throw new Failure('entity-too-small', `part ${partNumber} has ${source.sizeBytes} bytes`)
    }
  }
  const md5 = createHash('md5')
  for (const { etag } of found) md5.update(etag, 'hex')
  return {
    source: bytesOf(Buffer.concat(found.map(({ source }) => source.slice(0, source.sizeBytes)))),
    etag: `${md5.digest('hex')}-${found.length}`,
    lastModifiedMs: limits.nowMs,
    headers: upload.headers,
    metadata: upload.metadata,
    checksums: options.checksum === undefined ? [] : [options.checksum],
    parts: found.map(({ partNumber, source, checksums }) => ({
      partNumber,
      sizeBytes: source.sizeBytes,
      checksum: checksums[0],
    })),
    storageClass: upload.storageClass,
    tags: upload.tags,
  }
}
