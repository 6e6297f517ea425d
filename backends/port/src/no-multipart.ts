import { Failure } from '@forebay/base/failure'
import type { MutationOperations } from './backend.ts'

/**
 * The operations on uploads of a store that has none of S3's kind: all are refused. The target keeps the
 * parts and writes the object whole.
 *
 * @param store its name, for the message
 */
export function noMultipart(store: string) {
  const refuse = (): Promise<never> =>
    Promise.reject(new Failure('not-implemented', `${store} has no multipart uploads`))
  return {
    createUpload: refuse,
    writePart: refuse,
    completeUpload: refuse,
    abortUpload: refuse,
    copyPart: refuse,
    listParts: refuse,
    listUploads: refuse,
  } satisfies Partial<MutationOperations>
}
