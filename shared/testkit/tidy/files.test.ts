import { expect, test } from 'vitest'
import { findLines, listFiles, listManifests, readText } from './repository.ts'

const FILE_LINES_MAX = 500

const files = listFiles().filter((path) => path !== 'package-lock.json')
const texts = files.filter((path) => /\.(ts|mjs|js|json|md|py|ya?ml|txt|sh|html|css)$/.test(path))
const code = files.filter((path) => /\.(ts|mjs|js|py)$/.test(path))

test(`no code file is longer than ${FILE_LINES_MAX} lines`, () => {
  const long = code
    .map((path) => ({ path, lineCount: readText(path).split('\n').length - 1 }))
    .filter(({ lineCount }) => lineCount > FILE_LINES_MAX)
  expect(long).toEqual([])
})

test('work left to do names its issue', () => {
  // The words are put together so that this file does not find itself.
  const words = [['TO', 'DO'].join(''), ['FIX', 'ME'].join('')]
  const pattern = new RegExp(`\\b(${words.join('|')})\\b(?! #\\d)`)
  expect(code.flatMap((path) => findLines(path, pattern))).toEqual([])
})

test('no file names a machine or a registry', () => {
  const machines = /(^|[\s'"`(=])\/(work|root)\//
  const registries = /registry\.npm|files\.python|proxy\.golang/
  const pattern = new RegExp(`${machines.source}|${registries.source}`)
  const here = 'shared/testkit/tidy/files.test.ts'
  expect(texts.filter((path) => path !== here).flatMap((path) => findLines(path, pattern))).toEqual(
    [],
  )
})

test('code files and folders are named in kebab case', () => {
  const wrong = code.filter(
    (path) => !/^([a-z0-9.-]+\/)*[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.(ts|mjs|js|py)$/.test(path),
  )
  expect(wrong).toEqual([])
})

test('no folder or file is called by a word that says nothing', () => {
  const vague = /(^|\/)(utils?|helpers?|common|misc|managers?)(\/|\.ts$)/
  expect(code.filter((path) => vague.test(path))).toEqual([])
})

test('no workspace is an empty shell', () => {
  const shells = listManifests()
    .filter(({ folder }) => folder !== '.')
    .filter(({ folder }) => !code.some((path) => path.startsWith(`${folder}/`)))
  expect(shells.map(({ folder }) => folder)).toEqual([])
})
