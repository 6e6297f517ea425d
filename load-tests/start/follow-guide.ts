import { execFileSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { childEnvironment, runCommand } from '../testkit/run-command.ts'
import { freePort, type Server, startServer } from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'

/** The bucket and key of the guide's examples; the stores of the tests have them. */
export const BUCKET = 'my-bucket'
export const KEY = 'my-key'

/** The commands below a heading. */
async function commandsOf(heading: string): Promise<readonly string[]> {
  const guide = await readFile(join(ROOT, 'docs/quick-start.md'), 'utf8')
  const section = guide.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const body = /^```sh\n(.*?)^```$/ms.exec(section)?.[1]
  if (body === undefined) throw new Error(`the quick start has no commands for ${heading}`)
  return body.trim().split('\n')
}

/** One section of docs/quick-start.md and who follows it. */
export interface Way {
  /** Holds the reader's home directory. */
  readonly folder: string
  readonly heading: string
  /** What a reader writes in place of the examples. */
  readonly names: Readonly<Record<string, string>>
  /** What stands for a cloud here. */
  readonly variables?: Readonly<Record<string, string>>
}

/**
 * Runs the commands of a way one after the other, as they stand there but for the reader's own names.
 *
 * @returns what the last two wrote, and the bytes of the file that they made
 */
export async function follow(
  way: Way,
): Promise<{ readonly lines: readonly string[]; readonly body: string }> {
  const { folder, heading, names, variables = {} } = way
  const home = join(folder, heading.replaceAll(' ', '-'))
  await mkdir(home, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  // The reader has port 8080 and his own home directory.
  let environment = childEnvironment({
    ...variables,
    HOME: home,
    FOREBAY_LISTEN: JSON.stringify([{ address: '127.0.0.1', port }]),
    FOREBAY_DATA_DIR: join(home, 'data'),
  })
  let node: Server | undefined
  const written: string[] = []
  try {
    for (const command of await commandsOf(heading)) {
      const line = Object.entries(names).reduce(
        (text, [name, own]) => text.replaceAll(name, own),
        command,
      )
      if (line.startsWith('export ')) {
        environment = { ...environment, ...exported(line) }
      } else if (line === 'npm start') {
        const args = ['--prefix', ROOT, 'start']
        node = await startServer({
          name: line,
          command: 'npm',
          args,
          env: environment,
          port,
          readyPath: '/v1/health?readiness=true',
          isReady: (status) => status === 200,
        })
      } else {
        written.push(await runForebay(line, home, { ...environment, FOREBAY_ENDPOINT: url }))
      }
    }
  } finally {
    await node?.stop()
  }
  return { lines: written.slice(-2), body: await readFile(join(home, KEY), 'utf8') }
}

/** Variables that a line sets, as a shell understands it. */
function exported(line: string): Readonly<Record<string, string>> {
  const names = [...line.matchAll(/(\w+)=/g)].map(([, name = '']) => name)
  const print = names.map((name) => `printf '%s\\n' "$${name}"`).join('\n')
  const values = execFileSync('bash', ['-c', `${line}\n${print}`], { encoding: 'utf8' }).split('\n')
  return Object.fromEntries(names.map((name, at) => [name, values[at] ?? '']))
}

/** A line `npx forebay ...`; npx itself is left out, because it would work in the checkout. */
async function runForebay(
  line: string,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const match = /^npx forebay (.*)$/.exec(line)
  if (match === null) throw new Error(`the quick start has a line of another sort: ${line}`)
  const program = join(ROOT, 'services/cli/bin/forebay.js')
  const args = ['--disable-warning=ExperimentalWarning', program, ...(match[1] ?? '').split(' ')]
  const { stdout, stderr } = await runCommand(process.execPath, args, { cwd, env })
  return stdout + stderr
}
