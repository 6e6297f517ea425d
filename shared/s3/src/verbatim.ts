import { Failure, type FailureCode } from '@forebay/base/failure'

/**
 * A failure in the words of S3 itself: the S3 door prints `message` as it stands, where other
 * messages become a sentence or the hint below S3's sentence of the code.
 *
 * @param facts elements of the error document; never secrets
 */
export function verbatim(
  code: FailureCode,
  message: string,
  facts: Readonly<Record<string, string | number>> = {},
): Failure {
  return new Failure(code, message, { facts: { ...facts, verbatim: true } })
}

/** A bad argument, as S3 says which and what it was. */
export function badArgument(message: string, name: string, value: string | undefined): Failure {
  const facts = { argumentName: name, ...(value === undefined ? {} : { argumentValue: value }) }
  return verbatim('argument-invalid', message, facts)
}
