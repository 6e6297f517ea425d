/**
 * What S3 can be told about a bucket and what does not exist here. Tools that describe buckets ask for
 * all of it; each gets the answer of a bucket that was never told anything. Telling it is refused.
 */
import { Failure } from '@forebay/base/failure'
import { xmlDocument } from '@forebay/s3/xml-write'
import type { Exchange } from './exchange.ts'

type Handle = (exchange: Exchange) => Promise<void>

/** Answers 404 with the code that S3 has for a configuration that is not there. */
export function absent(configuration: string): Handle {
  return async () => {
    throw new Failure('configuration-absent', `the bucket has no ${configuration} configuration`, {
      facts: { configuration },
    })
  }
}

/** Answers with a document that says nothing, as S3 does where there is a default. */
export function empty(root: string, content = ''): Handle {
  return async (exchange) => exchange.sendXml(xmlDocument(root, content))
}

/** Answers 204: what is to be removed is not there. */
export const removed: Handle = async (exchange) => exchange.sendEmpty(204)
