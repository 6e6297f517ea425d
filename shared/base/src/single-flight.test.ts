import { expect, test } from 'vitest'
import { FLIGHT_WAITERS_MAX, SingleFlight } from './single-flight.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('callers of one key share one run and its value', async () => {
  const flights = new SingleFlight<object>()
  let runs = 0
  const work = async (): Promise<object> => {
    runs += 1
    await turn()
    return {}
  }
  const values = await Promise.all([
    flights.run('k', work),
    flights.run('k', work),
    flights.run('k', work),
  ])
  expect(runs).toBe(1)
  expect(new Set(values).size).toBe(1)
  expect(flights.size).toBe(0)
})

test('different keys run apart', async () => {
  const flights = new SingleFlight<string>()
  const values = await Promise.all(['a', 'b'].map((key) => flights.run(key, async () => key)))
  expect(values).toEqual(['a', 'b'])
})

test('a failure reaches all who waited and is forgotten', async () => {
  const flights = new SingleFlight<number>()
  const error = new Error('no')
  const fail = (): Promise<number> => Promise.reject(error)
  const outcomes = await Promise.allSettled([flights.run('k', fail), flights.run('k', fail)])
  expect(outcomes.map((each) => each.status === 'rejected' && each.reason)).toEqual([error, error])
  await expect(flights.run('k', async () => 7)).resolves.toBe(7)
})

test('work that throws at once is a failure like any other', async () => {
  const flights = new SingleFlight<number>()
  const run = flights.run('k', () => {
    throw new Error('at once')
  })
  await expect(run).rejects.toThrow('at once')
  expect(flights.size).toBe(0)
})

test('a caller that leaves does not stop the work for the others', async () => {
  const flights = new SingleFlight<number>()
  const leaver = new AbortController()
  let aborted = false
  const work = async (signal: AbortSignal): Promise<number> => {
    signal.addEventListener('abort', () => {
      aborted = true
    })
    await turn()
    await turn()
    return 7
  }
  const left = flights.run('k', work, leaver.signal)
  const stays = flights.run('k', work)
  leaver.abort(new Error('gone'))
  await expect(left).rejects.toThrow('gone')
  await expect(stays).resolves.toBe(7)
  expect(aborted).toBe(false)
})

test('when the last caller leaves, the work is aborted and a new caller starts afresh', async () => {
  const flights = new SingleFlight<number>()
  const leaver = new AbortController()
  let aborted = 0
  const hang = (signal: AbortSignal): Promise<number> =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        aborted += 1
        reject(signal.reason)
      })
    })
  const left = flights.run('k', hang, leaver.signal)
  await turn()
  leaver.abort(new Error('gone'))
  await expect(left).rejects.toThrow('gone')
  expect(aborted).toBe(1)
  await expect(flights.run('k', async () => 7)).resolves.toBe(7)
})

test('an aborted caller starts nothing', async () => {
  const flights = new SingleFlight<number>()
  let runs = 0
  const run = flights.run(
    'k',
    async () => {
      runs += 1
      return runs
    },
    AbortSignal.abort(new Error('gone')),
  )
  await expect(run).rejects.toThrow('gone')
  await turn()
  expect(runs).toBe(0)
})

test('the last allowed key runs and the first one too many is refused', async () => {
  const flights = new SingleFlight<number>(2)
  let finish: (value: number) => void = () => undefined
  const gate = new Promise<number>((resolve) => {
    finish = resolve
  })
  const runs = [flights.run('a', () => gate), flights.run('b', () => gate)]
  await expect(flights.run('c', () => gate)).rejects.toMatchObject({ code: 'object-busy' })
  finish(7)
  await expect(Promise.all(runs)).resolves.toEqual([7, 7])
})

test('the last allowed caller of a key waits and the first one too many is refused', async () => {
  const flights = new SingleFlight<number>()
  let finish: (value: number) => void = () => undefined
  const gate = new Promise<number>((resolve) => {
    finish = resolve
  })
  const runs = Array.from({ length: FLIGHT_WAITERS_MAX }, () => flights.run('k', () => gate))
  await expect(flights.run('k', () => gate)).rejects.toMatchObject({ code: 'object-busy' })
  finish(7)
  expect(new Set(await Promise.all(runs))).toEqual(new Set([7]))
})
