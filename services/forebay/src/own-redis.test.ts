import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { createLogger } from '@forebay/observe/logger'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type OwnRedis, startOwnRedis } from './own-redis.ts'

/** Stands for valkey-server: notes each start, fails as often as it is told, and knows its password. */
const PROGRAM = `#!${process.execPath}
const { appendFileSync, readFileSync, writeFileSync } = require('node:fs')
const { createServer } = require('node:net')
const config = readFileSync(0, 'utf8')
const of = (name) => (new RegExp('^' + name + ' "?([^"\\n]*)', 'm').exec(config) ?? [])[1]
appendFileSync(__dirname + '/starts', of('port') + '\\n')
const starts = readFileSync(__dirname + '/starts', 'utf8').trim().split('\\n').length
if (starts <= Number(readFileSync(__dirname + '/failures', 'utf8'))) process.exit(1)
process.chdir(of('dir'))
writeFileSync(of('pidfile'), process.pid + '\\n')
if (readFileSync(__dirname + '/stubborn', 'utf8') === 'yes') process.on('SIGTERM', () => {})
createServer((socket) => {
  socket.on('error', () => {})
  socket.on('data', (data) => socket.write(String(data).includes(of('requirepass')) ? '+OK\\r\\n' : '-ERR\\r\\n'))
}).listen(Number(of('port')), '127.0.0.1')
`

let folder: string
let dataDir: string
let lines: string[]
const running: OwnRedis[] = []
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'forebay-own-redis-')))
  dataDir = join(folder, 'data')
  lines = []
  await mkdir(join(dataDir, 'redis'), { recursive: true })
  await writeFile(join(folder, 'valkey-server'), PROGRAM, { mode: 0o755 })
  await told({ failures: '0', stubborn: 'no' })
})

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

async function told(words: { readonly failures?: string; readonly stubborn?: string }) {
  for (const [name, word] of Object.entries(words)) await writeFile(join(folder, name), word)
}

const starts = async (): Promise<readonly string[]> =>
  (await readFile(join(folder, 'starts'), 'utf8').catch(() => '')).trim().split('\n')

async function start(): Promise<OwnRedis> {
  const write = (line: string): void => void lines.push(line)
  const server = await startOwnRedis({
    dataDir,
    searchPath: folder,
    // Ten times as fast: waiting is done in steps.
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 10, signal) },
    logger: createLogger({ level: 'info', destination: { write } }),
  })
  running.push(server)
  return server
}

/** A process that works in the folder, as what a killed node left does. */
async function leaveBehind(): Promise<ChildProcess> {
  const child = spawn(join(folder, 'valkey-server'), ['-'], { stdio: ['pipe', 'ignore', 'ignore'] })
  children.push(child)
  const place = join(dataDir, 'redis')
  const config = `port 0\ndir ${place}\npidfile ${join(place, 'redis.pid')}\nrequirepass x\n`
  child.stdin?.end(config)
  return child
}

const isAlive = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode === null && signalCode === null

test('it answers when it has started, and its password stands in no line of the log', async () => {
  const { url, program } = await start()
  expect(program).toBe(join(folder, 'valkey-server'))
  const password = /:([^:@/]+)@/.exec(url)?.[1] ?? ''
  expect(password.length).toBe(36)
  expect(lines.length).toBe(1)
  expect(lines.join('')).not.toContain(password)
})

test('a port that was taken a moment before is given up for another one', async () => {
  await told({ failures: '2' })
  const { url } = await start()
  const ports = await starts()
  expect(ports.length).toBe(3)
  expect(url.endsWith(`:${ports.at(-1)}`)).toBe(true)
})

test('a server that does not start is told of with its log, and none is left running', async () => {
  await told({ failures: '99' })
  await expect(start()).rejects.toMatchObject({
    code: 'setting-invalid',
    message: expect.stringContaining('does not start'),
    hint: expect.stringContaining('redis.log'),
  })
  expect((await starts()).length).toBe(5)
})

test.each(['no', 'yes'])(
  'what a killed node left is ended first (stubborn: %s)',
  async (stubborn) => {
    await told({ stubborn })
    const left = await leaveBehind()
    const pidFile = join(dataDir, 'redis', 'redis.pid')
    while ((await readFile(pidFile, 'utf8').catch(() => '')) === '') await systemClock.sleep(10)
    const exited = once(left, 'exit')
    await start()
    expect(await exited).toEqual([null, stubborn === 'yes' ? 'SIGKILL' : 'SIGTERM'])
  },
)

test('a process that has the number by now, and another folder, is left alone', async () => {
  const stranger = spawn('sleep', ['60'], { cwd: folder, stdio: 'ignore' })
  children.push(stranger)
  await writeFile(join(dataDir, 'redis', 'redis.pid'), `${stranger.pid}\n`)
  await start()
  expect(isAlive(stranger)).toBe(true)
})

test.each(['', 'nonsense', '0', '1', '-1', '99999999999'])(
  'a pid file "%s" names nobody',
  async (text) => {
    await writeFile(join(dataDir, 'redis', 'redis.pid'), text)
    await start()
    expect((await starts()).length).toBe(1)
  },
)

test('a server that dies is started again at its port, and not after it was stopped', async () => {
  const server = await start()
  const pid = Number(await readFile(join(dataDir, 'redis', 'redis.pid'), 'utf8'))
  process.kill(pid, 'SIGKILL')
  while ((await starts()).length < 2) await systemClock.sleep(10)
  const [first, second] = await starts()
  expect(second).toBe(first)
  await server.stop()
  const { length } = await starts()
  await systemClock.sleep(300)
  expect((await starts()).length).toBe(length)
})
