import type { Static, TObject, TSchema } from 'typebox'
import type { JsonObject } from './job.ts'

/** What its caller must be allowed: on the job's bucket, or `admin` on the node. */
export type JobNeed = 'read' | 'write' | 'admin'

/**
 * What users can know of a kind of job: its name, arguments and rights. How it is done stands with the
 * target (`services/target/src/jobs`).
 */
export interface JobKind<Args extends TObject = TObject> {
  /** Lower case with hyphens. */
  readonly name: string
  /** AIStore's word on the wire; absent where it has none. */
  readonly wireName?: string | undefined
  /** One sentence: what it does. */
  readonly doc: string
  readonly bucket: 'required' | 'optional' | 'none'
  readonly need: JobNeed
  /** Of the argument `to` where there is one: what must be allowed there. */
  readonly needAtDestination?: JobNeed | undefined
  /** Closed (`additionalProperties: false`); every property with a description and unit. */
  readonly args: Args
  /** What the schema cannot say of arguments that fit it. @throws Failure, status 400 */
  readonly check?: ((args: JsonObject) => void) | undefined
  /** What `args` and `check` let through together, for documents; `args` alone by default. */
  readonly accepts?: TSchema | undefined
  /** The arguments without what is secret in them, for everybody who looks at a job. */
  readonly shown?: ((args: JsonObject) => JsonObject) | undefined
}

export type ArgsOf<Kind extends JobKind> = Static<Kind['args']>

/** Keeps the type of the arguments. */
export function defineKind<Args extends TObject>(kind: JobKind<Args>): JobKind<Args> {
  return kind
}
