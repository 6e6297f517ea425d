import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'
import { compilePattern } from '@forebay/base/linear-pattern'

/** AIStore's ways to say which members of an archive. */
export const MATCH_MODES = ['regexp', 'prefix', 'suffix', 'substr', 'wdskey'] as const

/** True for the names that are meant. */
export type MemberFilter = (name: string) => boolean

/**
 * Which members `archmode` and `archregx` mean; nothing and `*` mean all.
 *
 * @throws Failure `argument-invalid`
 */
export function parseMemberFilter(mode: string, text: string): MemberFilter {
  const known = MATCH_MODES.find((one) => one === mode)
  if (known === undefined) {
    throw new Failure('argument-invalid', `archmode is one of ${MATCH_MODES.join(', ')}`)
  }
  if (Buffer.byteLength(text) > KEY_BYTES_MAX) {
    throw new Failure('argument-invalid', `archregx is longer than ${KEY_BYTES_MAX} bytes`)
  }
  if (text === '' || text === '*') return () => true
  switch (known) {
    case 'regexp': {
      const pattern = compilePattern(text)
      return (name) => pattern.test(name)
    }
    case 'prefix':
      return (name) => name.startsWith(text)
    case 'suffix':
      return (name) => name.endsWith(text)
    case 'substr':
      return (name) => name.includes(text)
    case 'wdskey':
      return (name) => sampleKeyOf(name) === text
    default:
      return known satisfies never
  }
}

/** What the files of one sample of a WebDataset share: the name up to the first dot behind its folders. */
function sampleKeyOf(name: string): string {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1)
  return dot < 0 ? name : name.slice(0, dot)
}
