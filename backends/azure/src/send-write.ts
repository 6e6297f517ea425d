import type { WriteOptions, WriteResult } from '@forebay/backend-port/backend'
import { httpValidatorsOf } from '@forebay/backend-transport/answer-headers'
import type { AnswerHeaders } from '@forebay/backend-transport/exchange'
import { refusalOf } from './classify-error.ts'
import { type AzureRequest, type Place, sendRequest } from './connection.ts'

/** What the service said of a version that it made. */
export type Written = WriteResult & { readonly lastModifiedMs: number | undefined }

/** Sends a request whose answer has no body to speak of. @throws Failure for any refusal */
export async function sendForHeaders(place: Place, request: AzureRequest): Promise<AnswerHeaders> {
  const answer = await sendRequest(place.connection, request)
  if (answer.status < 200 || answer.status > 299) throw await refusalOf(answer, request.what)
  await answer.body.readText(ANSWER_BYTES_MAX)
  return answer.headers
}

const ANSWER_BYTES_MAX = 64 * 1024

/** The version that the head of an answer names. */
export function writtenOf(headers: AnswerHeaders): Written {
  const { etag, lastModifiedMs, dateMs } = httpValidatorsOf(headers)
  return { etag, dateMs, lastModifiedMs, checksums: [] }
}

/** The MD5 that was stated, in whichever field. */
export function statedMd5Hex(options: WriteOptions): string | undefined {
  const stated = options.checksums.find(
    ({ algorithm, kind }) => algorithm === 'md5' && kind === 'whole',
  )
  return options.contentMd5Hex ?? stated?.hex
}

export function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}
