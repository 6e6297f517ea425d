/**
 * Builds the console: bundles `src/page` into `dist`, with a compressed copy of every file, and notes
 * what it was made from, so that `bin/console-state.mjs` can tell whether it is still the same.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { build } from 'vite'
// biome-ignore lint/correctness/useImportExtensions: the module is .mjs, only its types are .mts
import { CONSOLE_FOLDER, INPUTS_FILE, isConsoleBuilt } from '../bin/console-state.mjs'

const PACKAGE = join(import.meta.dirname, '..')
const ROOT = join(PACKAGE, '../..')
const compress = promisify(gzip)

/** Builds the console unless it is there and made from these sources. */
export async function ensureConsole(): Promise<void> {
  if (!isConsoleBuilt()) await buildConsole()
}

/** Builds the console. The old one stays until the new one is whole. */
export async function buildConsole(): Promise<void> {
  const part = `${CONSOLE_FOLDER}.${process.pid}.part`
  await rm(part, { recursive: true, force: true })
  try {
    const inputs = await bundle(part)
    for (const file of await filesOf(part)) await addCompressed(file)
    await writeFile(join(part, INPUTS_FILE), JSON.stringify(await digestsOf(inputs), null, 1))
    await mkdir(PACKAGE, { recursive: true })
    await rm(CONSOLE_FOLDER, { recursive: true, force: true })
    await rename(part, CONSOLE_FOLDER)
  } finally {
    await rm(part, { recursive: true, force: true })
  }
}

/** @returns the files of this repository that went into it */
async function bundle(outDir: string): Promise<readonly string[]> {
  const inputs = new Set<string>()
  await build({
    root: join(PACKAGE, 'src/page'),
    base: '/ui/',
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: 'warn',
    // Never for development, whatever NODE_ENV says: what tests build is what users get.
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact', development: false } },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2023',
      modulePreload: false,
      // Nothing inline: the content security policy allows files of our own only.
      assetsInlineLimit: 0,
      reportCompressedSize: false,
    },
    plugins: [
      {
        name: 'note-inputs',
        // Symbolic links of the workspaces are resolved by then.
        transform: (_code, id) => {
          inputs.add(id.split('?', 1)[0] ?? id)
        },
      },
    ],
  })
  const own = [...inputs].filter((id) => id.startsWith(ROOT) && !id.includes('/node_modules/'))
  // These two change the result although no module imports them.
  return [
    ...own,
    join(PACKAGE, 'src/page/index.html'),
    join(PACKAGE, 'src/build.ts'),
    join(PACKAGE, 'package.json'),
  ]
}

/** Paths below the root of the repository, with the digest of what is in them. */
async function digestsOf(paths: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const digests = new Map<string, string>()
  for (const path of [...new Set(paths)].sort()) {
    const text = await readFile(path)
    digests.set(relative(ROOT, path), createHash('sha256').update(text).digest('hex'))
  }
  return Object.fromEntries(digests)
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

async function addCompressed(file: string): Promise<void> {
  await writeFile(`${file}.gz`, await compress(await readFile(file), { level: 9 }))
}

if (process.argv[1] === import.meta.filename) await buildConsole()
