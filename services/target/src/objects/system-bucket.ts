import type { BucketRecord } from '@forebay/model/bucket'

/** Id of the bucket that holds multipart uploads in progress; the bucket table starts at 1. */
export const SYSTEM_BUCKET_ID = 0

/**
 * Parts and descriptions of multipart uploads are objects of a bucket that no door shows: they get
 * journal, index, accounting and crash safety from the same store.
 */
export const SYSTEM_BUCKET: BucketRecord = Object.freeze({
  id: SYSTEM_BUCKET_ID,
  ref: { provider: 'ais', namespace: { uuid: '', name: '' }, name: '.sys-uploads' },
  aliases: [],
  createdMs: 0,
  properties: {},
} as const)
