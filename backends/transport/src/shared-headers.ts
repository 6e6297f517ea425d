import type { StoredHeaders } from '@forebay/model/object'

/**
 * What the objects of a store have in common: nearly all of a bucket say the same about themselves, and
 * their records, which are kept in memory, share one frozen value.
 */
export class SharedHeaders {
  #last: StoredHeaders | undefined

  /** The value given last where it says the same, else `headers` itself, frozen. */
  share(headers: StoredHeaders): StoredHeaders {
    const last = this.#last
    if (last !== undefined && areSame(last, headers)) return last
    this.#last = Object.freeze(headers)
    return headers
  }
}

function areSame(one: StoredHeaders, other: StoredHeaders): boolean {
  return (
    one.contentType === other.contentType &&
    one.contentEncoding === other.contentEncoding &&
    one.contentLanguage === other.contentLanguage &&
    one.contentDisposition === other.contentDisposition &&
    one.cacheControl === other.cacheControl &&
    one.expires === other.expires &&
    one.websiteRedirect === other.websiteRedirect
  )
}
