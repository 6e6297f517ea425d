import { Failure } from '@forebay/base/failure'

/** Keys that one template may name. */
export const TEMPLATE_KEYS_MAX = 10_000_000

/** Digits of a number in a template: more are no whole number that can be counted with. */
const DIGITS_MAX = 15

/** What a template stands for. */
export type Template =
  /** `` or `*`. */
  | { readonly kind: 'everything' }
  /** A text without a range. */
  | { readonly kind: 'prefix'; readonly prefix: string }
  | {
      readonly kind: 'range'
      /** 1..`TEMPLATE_KEYS_MAX`. */
      readonly count: number
      /** The key at a position, 0..`count` - 1; the last range turns fastest. */
      keyAt(position: number): string
    }

interface Range {
  readonly start: number
  readonly step: number
  readonly count: number
  /** Numbers are filled up with zeros to so many digits. */
  readonly digits: number
  /** What stands behind the number, to the next range or the end. */
  readonly gap: string
}

/**
 * Reads a template in any of the three ways that AIStore has of writing one: `a-{0001..0010..2}-b`
 * (ends included, zeros as in the shorter number), `a-@100-b` (from 0 on), `a-%06d-b` (all numbers of
 * so many digits). The first two may have several ranges. Costs as much as the template is long.
 *
 * @throws Failure `argument-invalid`
 */
export function parseTemplate(template: string): Template {
  if (template === '' || template === '*') return { kind: 'everything' }
  const brace = template.indexOf('{')
  if (brace >= 0 && template.includes('}'))
    return toRange(template.slice(0, brace), braces(template))
  const at = template.indexOf('@')
  if (at >= 0) return toRange(template.slice(0, at), ats(template))
  const percent = template.indexOf('%')
  if (percent >= 0 && percent === template.lastIndexOf('%')) {
    return toRange(template.slice(0, percent), [printf(template, percent)])
  }
  return { kind: 'prefix', prefix: template }
}

/** Texts between braces, with what follows each. */
function braces(template: string): readonly Range[] {
  return template
    .slice(template.indexOf('{') + 1)
    .split('{')
    .map((piece) => {
      const end = piece.indexOf('}')
      const [start, final, step = '1', ...more] = piece.slice(0, Math.max(0, end)).split('..')
      if (end < 0 || start === undefined || final === undefined || more.length > 0) {
        throw invalid(template, 'a range is written like {0001..0010} or {0..100..5}')
      }
      const digits = Math.min(start.length, final.length)
      const first = toNumber(template, start)
      const last = toNumber(template, final)
      const by = toNumber(template, step)
      if (by === 0) throw invalid(template, 'a step is 1 or more')
      if (first > last) throw invalid(template, 'a range begins at its smaller number')
      const count = Math.floor((last - first) / by) + 1
      return { start: first, step: by, count, digits, gap: piece.slice(end + 1) }
    })
}

function ats(template: string): readonly Range[] {
  return template
    .slice(template.indexOf('@') + 1)
    .split('@')
    .map((piece) => {
      const [number = ''] = /^[0-9]*/.exec(piece) ?? []
      const count = toNumber(template, number) + 1
      const gap = piece.slice(number.length)
      return { start: 0, step: 1, count, digits: number.length, gap }
    })
}

function printf(template: string, percent: number): Range {
  const match = /^%0([0-9]{1,2})d/.exec(template.slice(percent))
  const digits = Number(match?.[1] ?? 0)
  if (match === null || digits === 0) {
    throw invalid(template, 'a number is written like %06d, with its digits')
  }
  const gap = template.slice(percent + match[0].length)
  return { start: 0, step: 1, count: 10 ** digits, digits, gap }
}

function toRange(prefix: string, ranges: readonly Range[]): Template {
  const count = ranges.reduce((product, range) => product * range.count, 1)
  if (count > TEMPLATE_KEYS_MAX) {
    throw new Failure(
      'argument-invalid',
      `the template names more than ${TEMPLATE_KEYS_MAX} keys`,
      { hint: 'name a prefix, or make several jobs of it' },
    )
  }
  return { kind: 'range', count, keyAt: (position) => prefix + numbersAt(ranges, position) }
}

function numbersAt(ranges: readonly Range[], position: number): string {
  let rest = position
  return ranges.reduceRight((text, { start, step, count, digits, gap }) => {
    const number = start + (rest % count) * step
    rest = Math.floor(rest / count)
    return `${String(number).padStart(digits, '0')}${gap}${text}`
  }, '')
}

function toNumber(template: string, text: string): number {
  if (/^[0-9]+$/.test(text) && text.length <= DIGITS_MAX) return Number(text)
  throw invalid(
    template,
    `"${text.slice(0, 32)}" is not a whole number of 1 to ${DIGITS_MAX} digits`,
  )
}

function invalid(template: string, why: string): Failure {
  return new Failure('argument-invalid', `the template "${template.slice(0, 100)}": ${why}`)
}
