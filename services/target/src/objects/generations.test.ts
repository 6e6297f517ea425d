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
