import { type BodyName, makeBody } from './bodies.ts'
import type { Answer } from './s3-client.ts'

/** Whether the answer is the whole of the version; without a name: that there is none. */
export function isWhole(answer: Answer, name: BodyName | undefined): boolean {
  if (name === undefined) return answer.status === 404
  const { status, body } = answer
  return status === 200 && body.length === name.sizeBytes && body.equals(makeBody(name))
}

/** Whether the answer to a range is that of the version (RFC 9110 §14). */
export function isPart(
  answer: Answer,
  name: BodyName | undefined,
  { first, last }: { readonly first: number; readonly last: number },
): boolean {
  if (name === undefined) return answer.status === 404
  const { sizeBytes } = name
  if (first >= sizeBytes) return answer.status === 416
  const end = Math.min(last + 1, sizeBytes)
  const told = `bytes ${first}-${end - 1}/${sizeBytes}`
  return (
    answer.status === 206 &&
    answer.headers['content-range'] === told &&
    answer.body.equals(makeBody(name).subarray(first, end))
  )
}
