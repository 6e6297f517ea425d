import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Root of the checkout. */
export const ROOT = resolve(import.meta.dirname, '../../..')

/** The part of a package.json that the tidy tests look at. */
export type Manifest = {
  readonly path: string
  readonly folder: string
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** One module name in an import or export of a file. */
export type Import = { readonly file: string; readonly specifier: string }

/** Text of a file of the checkout. */
export function readText(path: string): string {
  return readFileSync(resolve(ROOT, path), 'utf8')
}

/** Files of the checkout that git tracks or would track, without those deleted on disk. */
export function listFiles(): readonly string[] {
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['ls-files', '-z', ...args], { cwd: ROOT, encoding: 'utf8' })
      .split('\0')
      .filter((path) => path !== '')
  const deleted = new Set(git('--deleted'))
  return git('--cached', '--others', '--exclude-standard').filter((path) => !deleted.has(path))
}

/** Manifests of the workspaces, and of the root as the last. */
export function listManifests(): readonly Manifest[] {
  const paths = listFiles().filter((path) => /^([^/]+\/){0,2}package\.json$/.test(path))
  return paths
    .map((path) => ({ ...JSON.parse(readText(path)), path, folder: dirname(path) }))
    .sort((a, b) => b.path.length - a.path.length)
}

/** TypeScript sources of the product: no tests, nothing of the load tests. */
export function listSources(): readonly string[] {
  return listFiles().filter(
    (path) => /^(shared|backends|services)\/[^/]+\/src\/.*\.ts$/.test(path) && !isTest(path),
  )
}

/** Tests, and what exists only for them: conformance suites, fixtures, `testing` folders. */
export function isTest(path: string): boolean {
  return (
    path.endsWith('.test.ts') || /\/(testing|conformance|fixtures)\/|\/test-[^/]+\.ts$/.test(path)
  )
}

/** Module names that a file imports, exports from, or loads with `import()`. */
export function listImports(file: string): readonly Import[] {
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g
  return [...readText(file).matchAll(pattern)].map(([, specifier = '']) => ({ file, specifier }))
}

/** Lines of a file that a pattern matches, as `file:line: text`. */
export function findLines(file: string, pattern: RegExp): readonly string[] {
  return readText(file)
    .split('\n')
    .flatMap((line, lineIndex) =>
      pattern.test(line) ? [`${file}:${lineIndex + 1}: ${line.trim()}`] : [],
    )
}
