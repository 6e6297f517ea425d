import { Failure } from '@forebay/base/failure'
import type { DownloadArgs } from '@forebay/jobs/kinds/download'
import type { JobContext } from '../kind-work.ts'

/**
 * What the user wants sent with each request. A token of the hub is read from the environment now, and
 * is stored nowhere.
 *
 * @throws Failure `argument-invalid` where the node has no such token
 */
export function requestHeaders(
  context: Pick<JobContext, 'hub'>,
  { headers = {}, huggingFace }: DownloadArgs,
): Readonly<Record<string, string>> {
  const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  const variable = huggingFace?.tokenEnv
  if (variable === undefined) return Object.fromEntries(own)
  const token = context.hub.tokenOf(variable)
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw new Failure('argument-invalid', `this node has no token in ${variable}`)
  }
  return { ...Object.fromEntries(own), authorization: `Bearer ${token}` }
}
