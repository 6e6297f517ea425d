import type { Backend, BucketInfo, Call } from './backend.ts'

/** One account of an object store. Its buckets share connections and credentials. */
export interface Account {
  /** The bucket as a backend; nothing is asked, so it need not exist. `close` of it does nothing. */
  bucket(name: string): Backend
  /**
   * The bucket as the account sees it, `undefined` when there is none.
   *
   * @throws Failure `backend-denied` when it is somebody else's, or the account may not ask for it
   */
  lookupBucket(name: string, call: Call): Promise<BucketInfo | undefined>
  /** Every bucket that the account knows of. @throws Failure `backend-refused` when no project is known (GCS) */
  listBuckets(call: Call): Promise<readonly BucketInfo[]>
  /** Ends all connections, with what is under way on them. */
  close(): Promise<void>
}
