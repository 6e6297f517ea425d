import { isFailure } from '@forebay/base/failure'
import { Type } from 'typebox'
import { expect, test } from 'vitest'
import { checkArgs, checkSchema } from './check-schema.ts'
import { PREFETCH } from './kinds/prefetch.ts'

const messageOf = (check: () => unknown): string => {
  try {
    check()
  } catch (error) {
    if (isFailure(error, 'argument-invalid')) return error.message
    throw error
  }
  return 'accepted'
}
const prefetch = (args: unknown): string => messageOf(() => checkArgs(PREFETCH, args))

test('arguments that the kind takes are returned as they are', () => {
  const args = { prefix: 'a/', latest: true }
  expect(checkArgs(PREFETCH, args)).toBe(args)
  expect(checkArgs(PREFETCH, {})).toEqual({})
})

test('an error names the property and what is allowed', () => {
  expect(prefetch({ latset: true })).toBe(
    'args has no property "latset"; it takes keys, template, prefix, flat, latest, verify',
  )
  expect(prefetch({ latest: 'yes' })).toBe('args.latest must be boolean')
  expect(prefetch({ keys: ['a', 7] })).toBe('args.keys[1] must be string')
  expect(prefetch({ keys: [''] })).toBe('args.keys[0] must not have fewer than 1 characters')
  expect(prefetch({ prefix: 'x'.repeat(1025) })).toBe(
    'args.prefix must not have more than 1024 characters',
  )
  expect(prefetch([])).toMatch(/^args must be object/)
})

test('keys are chosen in one way only', () => {
  expect(prefetch({ prefix: 'a', keys: ['b'] })).toBe('args has keys and prefix: give one of them')
})

test('of a choice the error tells what there is to choose from', () => {
  const schema = Type.Object(
    {
      mode: Type.Union([Type.Literal('fast'), Type.Literal('safe')]),
      to: Type.Optional(Type.Union([Type.String(), Type.Object({ name: Type.String() })])),
      order: Type.Optional(Type.Enum(['up', 'down'])),
    },
    { additionalProperties: false },
  )
  const check = (value: unknown): string => messageOf(() => checkSchema(schema, value))
  expect(check({ mode: 'slow' })).toBe('mode must be one of "fast", "safe"')
  expect(check({ mode: 'fast', to: 7 })).toBe('to must be string or object')
  expect(check({ mode: 'fast', order: 'left' })).toBe('order must be one of "up", "down"')
  expect(check({})).toBe('mode must be given')
  expect(check(null)).toBe('the body must be object')
})

test('what an error repeats of a name is bounded', () => {
  expect(prefetch({ ['x'.repeat(100_000)]: 1 }).length).toBeLessThan(200)
})
