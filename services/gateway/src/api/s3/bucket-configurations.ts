/**
 * What S3 can be told about a bucket and what does not exist here. Tools that describe buckets ask for
 * all of it; each gets the answer of a bucket that was never told anything. Telling it is refused.
 */
import { Failure } from '@forebay/base/failure'
import { xmlDocument } from '@forebay/s3/xml-write'
import type { Exchange } from './exchange.ts'

type Handle = (exchange: Exchange) => Promise<void>

const SAYING_NOTHING = new WeakSet<object>()

/** True for a handler of this file: it answers for what does not exist here. */
export function saysNothing(handle: object): boolean {
  return SAYING_NOTHING.has(handle)
}

/** Answers 404 with the code that S3 has for a configuration that is not there. */
export function absent(configuration: string): Handle {
  return sayingNothing(async () => {
    throw new Failure('configuration-absent', `the bucket has no ${configuration} configuration`, {
      facts: { configuration },
    })
  })
}

/** Answers with a document that says nothing, as S3 does where there is a default. */
export function empty(root: string, content = ''): Handle {
  return sayingNothing(async (exchange) => exchange.sendXml(xmlDocument(root, content)))
}

/** Answers 204: what is to be removed is not there. */
export const removed: Handle = sayingNothing(async (exchange) => exchange.sendEmpty(204))

function sayingNothing(handle: Handle): Handle {
  SAYING_NOTHING.add(handle)
  return handle
}
