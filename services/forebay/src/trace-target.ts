import type { Tracing } from '@forebay/observe/tracing'
import type { HeadAnswer, ReadAnswer, TargetPort } from '@forebay/peer/target-port'

/** The target with a span around what waits in it, if there are traces: for an origin, a reader, a disk. */
export function traceTarget(target: TargetPort, tracing: Tracing | undefined): TargetPort {
  if (tracing === undefined) return target
  /** Has a span if an origin was asked. */
  const asking =
    <R, A>(name: string, act: (request: R) => Promise<A>) =>
    (request: R): Promise<A> =>
      tracing.step(`target ${name}`, () => act(request), never)
  /** Waits for a disk at least. */
  const writing =
    <R, A>(name: string, act: (request: R) => Promise<A>) =>
    (request: R): Promise<A> =>
      tracing.step(`target ${name}`, () => act(request), always)
  return {
    read: (request) => tracing.step('target read', () => target.read(request), hasWaited),
    head: (request) => tracing.step('target head', () => target.head(request), hasWaited),
    write: writing('write', (request) => target.write(request)),
    delete: writing('delete', (request) => target.delete(request)),
    copy: writing('copy', (request) => target.copy(request)),
    list: asking('list', (request) => target.list(request)),
    getTags: asking('get-tags', (request) => target.getTags(request)),
    putTags: writing('put-tags', (request) => target.putTags(request)),
    getBucketTags: asking('get-tags', (request) => target.getBucketTags(request)),
    putBucketTags: asking('put-tags', (request) => target.putBucketTags(request)),
    versioningOf: asking('get-versioning', (request) => target.versioningOf(request)),
    listVersions: asking('list-versions', (request) => target.listVersions(request)),
    createUpload: writing('create-upload', (request) => target.createUpload(request)),
    writePart: writing('write-part', (request) => target.writePart(request)),
    copyPart: writing('copy-part', (request) => target.copyPart(request)),
    completeUpload: writing('complete-upload', (request) => target.completeUpload(request)),
    abortUpload: writing('abort-upload', (request) => target.abortUpload(request)),
    listParts: asking('list-parts', (request) => target.listParts(request)),
    listUploads: asking('list-uploads', (request) => target.listUploads(request)),
    warm: asking('warm', (request) => target.warm(request)),
    evict: writing('evict', (request) => target.evict(request)),
    explain: (request) => target.explain(request),
    noticeChange: writing('notice-change', (request) => target.noticeChange(request)),
    sealIfEmpty: (bucket) => target.sealIfEmpty(bucket),
    unseal: (bucket) => target.unseal(bucket),
    dropBucket: writing('drop-bucket', (bucket) => target.dropBucket(bucket)),
  }
}

function always(): boolean {
  return true
}

function never(): boolean {
  return false
}

/** All but a hit waits: for the origin, or for a fetch that another request began. */
function hasWaited(answer: ReadAnswer | HeadAnswer): boolean {
  return 'cache' in answer && answer.cache.status !== 'hit'
}
