import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { abortable } from './abortable.ts'

const left = new Error('left')

test('shared work ends as it ends, and leaves nothing at the signal', async () => {
  const { signal } = new AbortController()
  const failure = new Error('failed')
  await expect(abortable(Promise.resolve(1), signal)).resolves.toBe(1)
  await expect(abortable(Promise.reject(failure), signal)).rejects.toBe(failure)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('who leaves waits no longer, also for work that fails later', async () => {
  const work = Promise.withResolvers<number>()
  const leaver = new AbortController()
  const waiting = abortable(work.promise, leaver.signal)
  leaver.abort(left)
  await expect(waiting).rejects.toBe(left)
  // The signal that is aborted already is the same.
  await expect(abortable(work.promise, leaver.signal)).rejects.toBe(left)
  await expect(abortable(Promise.resolve(1), leaver.signal)).rejects.toBe(left)
  // A rejection that nobody handled would fail the run.
  work.reject(new Error('late'))
  await expect(work.promise).rejects.toThrow('late')
  expect(getEventListeners(leaver.signal, 'abort')).toEqual([])
})
