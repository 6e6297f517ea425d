import { Failure } from '@forebay/base/failure'
import { PARTS_MAX } from '@forebay/base/limits'
import { type Query, wholeNumber } from '@forebay/s3/query'

/** A whole number in a header. @throws Failure `argument-invalid` */
export function parsePageHeader(value: string | undefined, absent: number): number {
  if (value === undefined) return absent
  if (!/^\d{1,10}$/.test(value)) throw new Failure('argument-invalid', 'not a whole number')
  return Number(value)
}

/** The number of a part, 1..10,000. @throws Failure `argument-invalid` */
export function parsePartNumber(query: Query): number {
  const partNumber = wholeNumber(query, 'partNumber')
  if (partNumber === undefined || partNumber < 1 || partNumber > PARTS_MAX) {
    throw new Failure(
      'argument-invalid',
      `part number must be an integer between 1 and ${PARTS_MAX}, inclusive`,
      { facts: { argumentName: 'partNumber' } },
    )
  }
  return partNumber
}
