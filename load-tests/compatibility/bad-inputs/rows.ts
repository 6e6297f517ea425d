import type { Reply } from './raw-client.ts'
import type { BadInputRig, BucketName } from './rig.ts'

/** One bad input: how it is sent, and what must come of it. */
export type Row = {
  /** Id of the test table and what it is. */
  readonly title: string
  /** Sends it to a bucket, meaning the object `key`. */
  readonly send: (
    rig: BadInputRig,
    at: { readonly bucket: BucketName; readonly key: string },
  ) => Promise<Reply>
  /** Matched against `403 AccessDenied`, or `closed`. */
  readonly want: RegExp
  /** What is under the key afterwards; default: nothing, here and at the origin. */
  readonly stored?: RegExp
}

/** Runs a row and returns everything that is not as it should be: an empty list is a pass. */
export async function judgeRow(
  rig: BadInputRig,
  row: Row,
  bucket: BucketName,
): Promise<readonly string[]> {
  const key = `${row.title.split(' ', 1)[0]?.toLowerCase()}-${bucket}`
  const faults: string[] = []
  const reply = await row.send(rig, { bucket, key })
  if (!row.want.test(reply.outcome))
    faults.push(`answered ${reply.outcome}: ${reply.text.slice(0, 300)}`)
  if (/<Error>/.test(reply.body) && !/<RequestId>\w+</.test(reply.body)) faults.push('no RequestId')
  for (const outcome of await rig.outcomes(bucket, key)) {
    if (!(row.stored ?? /^404 NoSuchKey$/).test(outcome)) faults.push(`afterwards ${outcome}`)
  }
  const left = await rig.workFiles()
  if (left.length > 0) faults.push(`work files: ${left.join(' ')}`)
  return faults
}
