import { Failure } from '@forebay/base/failure'

/**
 * Refuses to read a version by its id from a store whose versions have no ids here: the current one
 * would pass for it. `null` is the current one wherever there are no ids.
 *
 * @param what the request, for the message
 * @throws Failure `version-not-found`
 */
export function refuseVersionId(what: string, versionId: string | undefined): void {
  if (versionId === undefined || versionId === 'null') return
  throw new Failure('version-not-found', `${what}: versions are not read by their ids there`)
}
