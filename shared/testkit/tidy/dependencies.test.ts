import { expect, test } from 'vitest'
import { entriesWithoutIntegrity, missingOptionalEntries, readLock } from './lock.ts'
import { listManifests, ROOT, readText } from './repository.ts'

const manifests = listManifests()
const declared = manifests.flatMap(
  ({ path, dependencies = {}, devDependencies = {}, optionalDependencies = {} }) =>
    Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).map(
      ([name, version]) => ({ path, name, version }),
    ),
)
const lock = readLock(ROOT)

test('every dependency is pinned to one exact version', () => {
  const loose = declared.filter(({ version }) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  expect(loose).toEqual([])
})

test('all workspaces use the same version of a dependency', () => {
  const versions = Map.groupBy(declared, ({ name }) => name)
  const split = [...versions].filter(([, uses]) => new Set(uses.map((u) => u.version)).size > 1)
  expect(split).toEqual([])
})

test('every dependency has its line in the index of decisions', () => {
  const index = readText('docs/adr/README.md')
  const names = new Set(declared.map(({ name }) => name).filter((name) => !isOwn(name)))
  expect([...names].filter((name) => !index.includes(`| \`${name}\` |`))).toEqual([])
})

test('the index of decisions names no dependency that is gone', () => {
  const rows = [...readText('docs/adr/README.md').matchAll(/^\| `([^`]+)` \|/gm)]
  const names = new Set(declared.map(({ name }) => name))
  expect(rows.map(([, name = '']) => name).filter((name) => !names.has(name))).toEqual([])
})

test('the lock file holds the optional packages of every platform', () => {
  expect(missingOptionalEntries(lock)).toEqual([])
})

test('the lock file fixes the content of every package that Linux with glibc installs', () => {
  const loose = entriesWithoutIntegrity(lock).filter(
    ({ name }) => !/android|darwin|win32|musl|linux-arm$/.test(name),
  )
  expect(loose).toEqual([])
})

test('the lock file names no registry', () => {
  const hosts = [...readText('package-lock.json').matchAll(/"resolved": "(https?:[^"]+)"/g)]
  expect(hosts.map(([, url]) => url)).toEqual([])
})

test('the lock file knows every dependency of every manifest', () => {
  const absent = declared
    .filter(({ name }) => !isOwn(name))
    .filter(({ name, version }) => {
      const entries = Object.entries(lock.packages).filter(([path]) =>
        path.endsWith(`node_modules/${name}`),
      )
      return !entries.some(([, entry]) => entry.version === version)
    })
  expect(absent).toEqual([])
})

function isOwn(name: string): boolean {
  return name.startsWith('@forebay/')
}
