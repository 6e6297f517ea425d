import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { listFiles, listManifests, ROOT, readText } from './repository.ts'

const documents = listFiles().filter((path) => path.endsWith('.md'))

/** Top-level names by which a path of this repository begins. */
const TOP = '(?:shared|backends|services|load-tests|infra|docs|\\.ci)'

test('every path that a document names exists', () => {
  const pattern = new RegExp(`\`(${TOP}/[\\w./-]*[\\w/-])\``, 'g')
  const gone = documents.flatMap((file) =>
    [...readText(file).matchAll(pattern)]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${file}: ${path}`),
  )
  expect(gone).toEqual([])
})

test('every link between documents leads somewhere', () => {
  const broken = documents.flatMap((file) =>
    [...readText(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(ROOT, dirname(file), target)))
      .map((target) => `${file}: ${target}`),
  )
  expect(broken).toEqual([])
})

test('every npm command that a document names exists', () => {
  const root = listManifests().find(({ folder }) => folder === '.')
  const scripts = Object.keys(JSON.parse(readText(root?.path ?? 'package.json')).scripts)
  const unknown = documents.flatMap((file) =>
    [...readText(file).matchAll(/`npm run ([a-z:-]+)/g)]
      .map(([, name = '']) => name)
      .filter((name) => !scripts.includes(name))
      .map((name) => `${file}: npm run ${name}`),
  )
  expect(unknown).toEqual([])
})

test('every decision has its sections and its line in the index', () => {
  const index = readText('docs/adr/README.md')
  const sections = ['Context', 'Decision', 'Alternatives', 'Consequences', 'How we would notice']
  const faults = documents
    .filter((path) => /^docs\/adr\/\d{4}-/.test(path))
    .flatMap((path) => {
      const text = readText(path)
      const absent = sections.filter((section) => !text.includes(`## ${section}`))
      if (!index.includes(path.slice('docs/adr/'.length))) absent.push('index line')
      return absent.map((section) => `${path}: ${section}`)
    })
  expect(faults).toEqual([])
})

/** The name by which GitHub links to a heading. */
function anchorOf(heading: string): string {
  const text = heading.replace(/[`*]/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}

test('every link to a heading finds one', () => {
  const anchors = new Map(
    documents.map((file) => [
      file,
      new Set([...readText(file).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => anchorOf(text))),
    ]),
  )
  const broken = documents.flatMap((file) =>
    [...readText(file).matchAll(/\]\(([^)#\s]*)#([^)\s]+)\)/g)]
      .filter(([, target = '']) => !/^[a-z]+:/.test(target))
      .filter(([, target = '', anchor = '']) => {
        const path = target === '' ? file : join(dirname(file), target)
        return anchors.get(path)?.has(anchor) !== true
      })
      .map(([, target, anchor]) => `${file}: ${target}#${anchor}`),
  )
  expect(broken).toEqual([])
})

test('every shell snippet in a document is one that a shell can read', () => {
  const faults = documents.flatMap((file) =>
    [...readText(file).matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, body = '']) => {
      const { status, stderr } = spawnSync('bash', ['-n'], { input: body, encoding: 'utf8' })
      return status === 0 ? [] : [`${file}: ${stderr}`]
    }),
  )
  expect(faults).toEqual([])
})

test('the quick start reaches the second read in five commands, whatever the store', () => {
  const sections = readText('docs/quick-start.md').split(/^## /m).slice(1)
  const ways = sections.filter((section) => section.includes('forebay get '))
  expect(ways.length).toBeGreaterThanOrEqual(5)
  for (const way of ways) {
    const body = /^```sh\n(.*?)^```$/ms.exec(way)?.[1] ?? ''
    const commands = body.trim().split('\n')
    expect([way.split('\n', 1)[0], commands.length <= 5]).toEqual([way.split('\n', 1)[0], true])
    expect(commands.at(-1)).toBe(commands.at(-2))
    expect(commands.at(-1)).toMatch(/^npx forebay get /)
  }
})
