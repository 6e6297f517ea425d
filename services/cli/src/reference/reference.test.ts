import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { OTHER_VARIABLES } from '@forebay/config/environment'
import { SETTING_KEYS } from '@forebay/config/keys'
import { loadSettings } from '@forebay/config/load'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import type { CliContext } from '../cli-context.ts'
import { buildProgram, runCli } from '../program.ts'
import { type CommandHelp, commandsPage, errorsPage, settingsPage } from './pages.ts'

const ROOT = resolve(import.meta.dirname, '../../../..')
const DOCS = join(ROOT, 'docs')

/** Documents that users read; decisions and results of a day are history and stay as they are. */
const DOCUMENTS = [
  'README.md',
  ...readdirSync(DOCS).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
].map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))

function contextFor(write: (text: string) => void): CliContext {
  const output = {
    write: (text: string | Uint8Array) => {
      write(String(text))
      return true
    },
    once: () => undefined,
  }
  return {
    environment: { variables: {}, home: '/nowhere' },
    stdout: output,
    stderr: output,
    signal: new AbortController().signal,
  }
}

const program = buildProgram(
  contextFor(() => undefined),
  () => undefined,
)

/** Every command that help shows, by its words. */
function commandsBelow(command: Command, words: readonly string[] = []): readonly string[][] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help')
    .flatMap((child) => {
      const path = [...words, child.name()]
      return [path, ...commandsBelow(child, path)]
    })
}

test('the reference of settings is that of the schema', async () => {
  await expect(settingsPage()).toMatchFileSnapshot(join(DOCS, 'settings.md'))
})

test('the list of error codes is that of the catalogue', async () => {
  await expect(errorsPage()).toMatchFileSnapshot(join(DOCS, 'errors.md'))
})

test('the reference of the command line is what the commands say of themselves', async () => {
  const helps: CommandHelp[] = []
  for (const words of [[], ...commandsBelow(program)]) {
    let text = ''
    const context = contextFor((more) => {
      text += more
    })
    expect(await runCli([...words, '--help'], context)).toBe(0)
    helps.push({ name: ['forebay', ...words].join(' '), text })
  }
  await expect(commandsPage(helps)).toMatchFileSnapshot(join(DOCS, 'command-line.md'))
})

/** Code blocks of some languages, with where they stand. */
function blocks(...languages: readonly string[]) {
  return DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
      .filter(([, language = '']) => languages.includes(language))
      .map(([, , body = '']) => ({ path, body })),
  )
}

/** Command lines of forebay in shell blocks and in the text, comments cut off. */
function commandLines() {
  const inBlocks = blocks('sh').flatMap(({ path, body }) =>
    body
      .replaceAll(/\\\n\s*/g, ' ')
      .split('\n')
      .map((line) => ({ path, line })),
  )
  const inText = DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(/`((?:npx )?forebay [^`]+)`/g)].map(([, line = '']) => ({ path, line })),
  )
  return [...inBlocks, ...inText].flatMap(({ path, line }) => {
    const match = /^(?:\w+=\S+ )*(?:npx )?forebay (.*?)(?: #.*| [|>&].*)?$/.exec(line)
    return match === null ? [] : [{ path, words: (match[1] ?? '').split(/\s+/) }]
  })
}

/** What is wrong with a command line; nothing when its command and options exist. */
function faultOf(words: readonly string[]): string | undefined {
  let command = program
  for (const word of words) {
    const child = command.commands.find((candidate) => candidate.name() === word)
    if (child !== undefined) command = child
    else if (command === program && !word.startsWith('-')) return `no command ${word}`
    if (command.name() === 'up' || !word.startsWith('-') || word === '-') continue
    const name = word.split('=')[0] ?? word
    const known = [...command.options, ...program.options].flatMap(({ long, short }) => [
      long,
      short,
    ])
    if (name !== '--help' && !known.includes(name)) return `${command.name()} has no ${name}`
  }
  const isGroup = command.commands.length > 0 && command.registeredArguments.length === 0
  return isGroup && command !== program ? 'a word is missing' : undefined
}

test('every command line of forebay in the documents is one that exists', () => {
  const lines = commandLines()
  const wrong = lines.flatMap(({ path, words }) => {
    const fault = faultOf(words)
    return fault === undefined ? [] : [`${path}: forebay ${words.join(' ')}: ${fault}`]
  })
  expect(lines.length).toBeGreaterThan(20)
  expect(wrong).toEqual([])
})

test('every variable of Forebay that the documents name exists', () => {
  const known = new Set([
    ...SETTING_KEYS.map(({ variable }) => variable),
    ...Object.keys(OTHER_VARIABLES),
  ])
  const wrong = DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(/\bFOREBAY_[A-Z0-9_]*[A-Z0-9]\b/g)]
      .map(([name]) => name)
      .filter((name) => !known.has(name))
      .map((name) => `${path}: ${name}`),
  )
  expect(wrong).toEqual([])
})

test('every setting that the documents name exists', () => {
  const keys = SETTING_KEYS.map(({ key }) => key)
  const tops = [...new Set(keys.filter((key) => key.includes('.')).map((key) => key.split('.')[0]))]
  const pattern = new RegExp(`\`((?:${tops.join('|')})\\.[a-zA-Z.]+)(?:=[^\`]*)?\``, 'g')
  const wrong = DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)]
      .map(([, name = '']) => name)
      .filter((name) => !keys.some((key) => key === name || key.startsWith(`${name}.`)))
      // Python's `http.server` and `http.server.request.duration` are names of others.
      .filter((name) => !/^http\.server\b/.test(name))
      .map((name) => `${path}: ${name}`),
  )
  expect(wrong).toEqual([])
})

test('every settings file in the documents is valid', async () => {
  const files = blocks('yaml')
  for (const { path, body } of files) {
    const loading = loadSettings({
      flags: { config: '/config.yaml' },
      environment: { variables: {}, home: '/home/somebody' },
      // Certificates are read when they are named; here they only have to be PEM.
      readFile: async (name) => (name.endsWith('.pem') ? '-----BEGIN X-----' : body),
    })
    await expect(loading, path).resolves.toBeDefined()
  }
  expect(files.length).toBeGreaterThan(1)
})

test('every JSON in the documents is JSON', () => {
  for (const { path, body } of blocks('json')) {
    expect(() => JSON.parse(body), path).not.toThrow()
  }
})
