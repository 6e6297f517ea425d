import { checkSchema } from '@forebay/jobs/check-schema'
import type { JobRecord, JsonObject } from '@forebay/jobs/job'
import type { ArgsOf, JobKind } from '@forebay/jobs/kind'

const looked = new WeakMap<JsonObject, JobKind>()

/**
 * The arguments of a job as its kind knows them. Looked at once for each copy of a job, not for each of
 * its items: they may name 100,000 keys.
 *
 * @throws Failure `argument-invalid` for a job that an engine kept wrongly, or that another version of
 *   the kind took
 */
export function argsOf<Kind extends JobKind>(kind: Kind, { args }: JobRecord): ArgsOf<Kind> {
  if (looked.get(args) !== kind) {
    checkSchema(kind.args, args, 'args')
    looked.set(args, kind)
  }
  // The check above is what makes it true.
  return args as ArgsOf<Kind>
}
