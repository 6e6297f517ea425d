import type { Clock } from '@forebay/base/clock'
import { expect, test } from 'vitest'
import { type BudgetState, Spending } from './spending.ts'

const DAY_MS = 24 * 60 * 60_000
const PRICES = { getPerMillion: 1, putPerMillion: 10, listPerMillion: 5, egressPerGiB: 0.5 }
const UNLIMITED = { softPerDay: 0, hardPerDay: 0 }

class Calendar implements Clock {
  nowMs = 100 * DAY_MS + 1000
  now(): number {
    return this.nowMs
  }
  monotonic(): number {
    return this.nowMs
  }
  sleep(): Promise<void> {
    return Promise.resolve()
  }
}

function open(budget = UNLIMITED) {
  const clock = new Calendar()
  const states: BudgetState[] = []
  const onState = (state: BudgetState): void => void states.push(state)
  return {
    clock,
    states,
    spending: new Spending({ name: 'aws', prices: PRICES, budget, clock, onState }),
  }
}

test('requests and bytes are paid by what they are', () => {
  const { spending } = open()
  for (const operation of ['read', 'head', 'write', 'list', 'delete', 'abort-upload'] as const) {
    spending.pay(operation)
  }
  spending.received(1024 ** 3)
  expect(spending.spent).toEqual({ get: 2e-6, put: 1e-5, list: 5e-6, egress: 0.5 })
  expect(spending.today.dollars).toBeCloseTo(0.500017, 9)
})

test('what is saved is what reads would have cost, less what they did', () => {
  const { spending } = open()
  spending.pay('read')
  spending.received(1024 ** 3)
  for (let at = 0; at < 4; at++) spending.answered(1, 1024 ** 3)
  expect(spending.savedDollars).toBeCloseTo(3 * (1e-6 + 0.5), 9)
})

test('the last request that the budget pays goes, the next one waits for the next day', () => {
  const { spending, clock, states } = open({ softPerDay: 0, hardPerDay: 2e-6 })
  spending.pay('read')
  spending.pay('head')
  expect(() => spending.pay('read')).toThrow(
    expect.objectContaining({ code: 'budget-spent', retryAfterSeconds: 24 * 60 * 60 - 1 }),
  )
  expect([spending.state, states]).toEqual(['hard', ['hard']])
  clock.nowMs = 101 * DAY_MS - 1
  expect(() => spending.pay('list')).toThrow(expect.objectContaining({ retryAfterSeconds: 1 }))
  clock.nowMs = 101 * DAY_MS
  spending.pay('read')
  expect(spending.state).toBe('within')
})

test('writes and what ends them are paid, whatever the budget says', () => {
  const { spending } = open({ softPerDay: 0, hardPerDay: 1e-9 })
  for (const operation of ['write', 'complete-upload', 'delete', 'head-bucket'] as const) {
    spending.pay(operation)
  }
  expect(spending.spent.put).toBeCloseTo(2e-5, 9)
})

test('bytes under way are paid beyond the budget', () => {
  const { spending } = open({ softPerDay: 0, hardPerDay: 0.1 })
  spending.received(1024 ** 3)
  expect(spending.today.dollars).toBe(0.5)
  expect(() => spending.pay('read')).toThrow()
})

test('a soft budget tells once a day and refuses nothing', () => {
  const { spending, clock, states } = open({ softPerDay: 1e-6, hardPerDay: 0 })
  for (let at = 0; at < 3; at++) spending.pay('read')
  expect(states).toEqual(['soft'])
  clock.nowMs += DAY_MS
  spending.pay('read')
  expect(states).toEqual(['soft', 'soft'])
})

test('what was spent earlier today counts, and what was spent on another day does not', () => {
  const { spending } = open({ softPerDay: 0, hardPerDay: 1 })
  spending.resume({ day: 99, dollars: 5 })
  spending.pay('read')
  spending.resume({ day: 100, dollars: 1 })
  expect(() => spending.pay('read')).toThrow()
})
