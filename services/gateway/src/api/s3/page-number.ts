import { Failure } from '@forebay/base/failure'
import { PARTS_MAX } from '@forebay/base/limits'
import type { Query } from '@forebay/s3/query'
import { badArgument } from '@forebay/s3/verbatim'

/** A whole number in a header. @throws Failure `argument-invalid` */
export function parsePageHeader(value: string | undefined, absent: number): number {
  if (value === undefined) return absent
  if (!/^\d{1,10}$/.test(value)) throw new Failure('argument-invalid', 'not a whole number')
  return Number(value)
}

/** The number of a part, 1..10,000; absent counts as wrong. @throws Failure `argument-invalid` */
export function parsePartNumber(query: Query): number {
  const value = query.get('partNumber')
  const partNumber = /^\d{1,5}$/.test(value ?? '') ? Number(value) : 0
  if (partNumber >= 1 && partNumber <= PARTS_MAX) return partNumber
  throw badArgument(
    `Part number must be an integer between 1 and ${PARTS_MAX}, inclusive.`,
    'partNumber',
    value,
  )
}
