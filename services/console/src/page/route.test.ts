import { expect, test } from 'vitest'
import { formatRoute, levelsOf, parseRoute, type Route } from './route.ts'

test('a page is written and read back, whatever the names in it are', () => {
  const routes: readonly Route[] = [
    { page: 'overview' },
    { page: 'settings' },
    { page: 'jobs' },
    { page: 'objects', provider: 'aws', bucket: 'photos', prefix: '' },
    { page: 'objects', provider: 'aws', bucket: 'a', prefix: 'x?&#%/../<b> \u202e/\n/' },
  ]
  for (const route of routes) expect(parseRoute(formatRoute(route))).toEqual(route)
})

test('a fragment that names no page leads to the overview', () => {
  for (const fragment of ['', '#', '#/', '#/nowhere', '#/%E0%A4%A', '#/objects']) {
    expect(parseRoute(fragment)).toEqual({ page: 'overview' })
  }
})

test('the levels of a prefix are those between its slashes, empty ones too', () => {
  expect(levelsOf('a//b/rest')).toEqual([
    { name: 'a/', prefix: 'a/' },
    { name: '/', prefix: 'a//' },
    { name: 'b/', prefix: 'a//b/' },
  ])
  expect(levelsOf('')).toEqual([])
})
