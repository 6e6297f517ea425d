import { setImmediate as turn } from 'node:timers/promises'
import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'
import { compilePattern } from '@forebay/base/linear-pattern'

/** AIStore's ways to say which members of an archive. */
export const MATCH_MODES = ['regexp', 'prefix', 'suffix', 'substr', 'wdskey'] as const

/** Characters of names times what a pattern costs for each, between two turns of the event loop: a few milliseconds. */
const STEPS_PER_TURN = 200_000

type Test = (name: string) => boolean

/** Tells which names are meant; users write the patterns and the names, so others have their turns. */
export class MemberFilter {
  readonly #test: Test
  readonly #stepsPerCharacter: number
  #steps = 0

  /** @param stepsPerCharacter what one character of a name costs at most */
  constructor(test: Test, stepsPerCharacter: number) {
    this.#test = test
    this.#stepsPerCharacter = stepsPerCharacter
  }

  /** @throws the signal's reason */
  async wants(name: string, signal: AbortSignal): Promise<boolean> {
    this.#steps += this.#stepsPerCharacter * name.length
    if (this.#steps > STEPS_PER_TURN) {
      this.#steps = 0
      await turn()
      signal.throwIfAborted()
    }
    return this.#test(name)
  }
}

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
  if (text === '' || text === '*') return new MemberFilter(() => true, 1)
  if (known === 'regexp') {
    const pattern = compilePattern(text)
    return new MemberFilter((name) => pattern.test(name), pattern.stepsPerCharacter)
  }
  return new MemberFilter(plainTest(known, text), 1)
}

function plainTest(mode: Exclude<(typeof MATCH_MODES)[number], 'regexp'>, text: string): Test {
  switch (mode) {
    case 'prefix':
      return (name) => name.startsWith(text)
    case 'suffix':
      return (name) => name.endsWith(text)
    case 'substr':
      return (name) => name.includes(text)
    case 'wdskey':
      return (name) => sampleKeyOf(name) === text
    default:
      return mode satisfies never
  }
}

/** What the files of one sample of a WebDataset share: the name up to the first dot behind its folders. */
function sampleKeyOf(name: string): string {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1)
  return dot < 0 ? name : name.slice(0, dot)
}
