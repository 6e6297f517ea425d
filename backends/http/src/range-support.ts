import { type AnswerHeaders, headerOf } from '@forebay/backend-transport/exchange'

/**
 * Whether a server answers ranges, as far as it has shown: by an answer to one, or by saying so. It is
 * believed until a range is answered with the whole.
 */
export class RangeSupport {
  #state: 'unknown' | 'announced' | 'proven' | 'ignored' = 'unknown'

  /** True when a range may be asked for in the hope of a part. */
  get isExpected(): boolean {
    return this.#state === 'announced' || this.#state === 'proven'
  }

  /** True until the server said or showed anything. */
  get isUnknown(): boolean {
    return this.#state === 'unknown'
  }

  /** A part was asked for and came, or the whole came instead. */
  answered(isPart: boolean): void {
    this.#state = isPart ? 'proven' : 'ignored'
  }

  /** What the head of an answer says (RFC 9110 §14.3). */
  hear(headers: AnswerHeaders): void {
    const units = headerOf(headers, 'accept-ranges')?.toLowerCase() ?? ''
    if (units === 'none' && this.#state !== 'proven') this.#state = 'ignored'
    if (this.#state === 'unknown' && /(^|,)\s*bytes\s*(,|$)/.test(units)) this.#state = 'announced'
  }
}
