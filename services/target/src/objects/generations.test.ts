import { expect, test } from 'vitest'
import { Generations } from './generations.ts'

test('a token is current until its key is raised', () => {
  const generations = new Generations()
  const token = generations.begin('1/a')
  generations.raise('1/b')
  expect(token.isCurrent()).toBe(true)
  generations.raise('1/a')
  expect(token.isCurrent()).toBe(false)
})

test('a token taken after the raise is current although an older one is not', () => {
  const generations = new Generations()
  const older = generations.begin('1/a')
  generations.raise('1/a')
  const younger = generations.begin('1/a')
  expect([older.isCurrent(), younger.isCurrent()]).toEqual([false, true])
})

test('keys without open tokens are forgotten', () => {
  const generations = new Generations()
  const first = generations.begin('1/a')
  const second = generations.begin('1/a')
  first.end()
  first.end()
  expect(generations.openCount).toBe(1)
  second.end()
  expect(generations.openCount).toBe(0)
})

const etag = (name: string) => ({ kind: 'etag', etag: name }) as const

test('an answer does not hold once a later question was answered with another version', () => {
  const generations = new Generations()
  const [early, late, same] = [0, 1, 2].map(() => generations.begin('k'))
  if (early === undefined || late === undefined || same === undefined) throw new Error('no token')
  late.hear({ askedAt: 2, pin: etag('new') })
  same.hear({ askedAt: 1, pin: etag('new') })
  early.hear({ askedAt: 1, pin: etag('old') })
  expect([early, late, same].map((token) => token.isCurrent())).toEqual([false, true, true])
  generations.begin('k').hear({ askedAt: 3, pin: undefined })
  expect([late, same].map((token) => token.isCurrent())).toEqual([false, false])
})

test('without a pin nobody can tell an older answer from a newer one', () => {
  const generations = new Generations()
  const [early, late] = [generations.begin('k'), generations.begin('k')]
  early.hear({ askedAt: 1, pin: { kind: 'none' } })
  late.hear({ askedAt: 2, pin: etag('new') })
  expect(early.isCurrent()).toBe(true)
})

test('a raise forgets the answers of before', () => {
  const generations = new Generations()
  generations.begin('k').hear({ askedAt: 9, pin: etag('before') })
  generations.raise('k')
  const token = generations.begin('k')
  token.hear({ askedAt: 1, pin: etag('after') })
  expect(token.isCurrent()).toBe(true)
})
