import { readFileSync } from 'node:fs'

/** One request that the origin answered, as its access log names it. */
export type OriginRequest = { readonly operation: string; readonly line: string }

/**
 * Requests in an origin's access log (versitygw, in the form of S3 server access logs).
 *
 * @param path the log file; an absent file means no request yet
 */
export function readOriginLog(path: string): readonly OriginRequest[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    const operation = / s3_(\w+) /.exec(line)?.[1]
    return operation === undefined ? [] : [{ operation, line }]
  })
}
