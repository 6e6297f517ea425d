import { afterEach, describe, expect, test, vi } from 'vitest'
import { childEnvironment, runCommand } from './run-command.ts'
import { startServer, temporaryFolder } from './servers.ts'
import { isLeftOut, requireTool, toolsLeftOut } from './tools.ts'

afterEach(() => vi.unstubAllEnvs())

describe('FOREBAY_TEST_WITHOUT', () => {
  test('names the tools that a run does without', () => {
    vi.stubEnv('FOREBAY_TEST_WITHOUT', 'rclone, nginx')
    expect([...toolsLeftOut()]).toEqual(['rclone', 'nginx'])
    expect(isLeftOut('rclone')).toBe(true)
    expect(isLeftOut('boto3')).toBe(false)
  })

  test('refuses a tool that does not exist, so that a typing error skips nothing', () => {
    vi.stubEnv('FOREBAY_TEST_WITHOUT', 'rclon')
    expect(() => toolsLeftOut()).toThrow(/rclon; there are: .*rclone/)
  })
})

test('a child process gets no AWS settings and none of another Forebay', async () => {
  vi.stubEnv('AWS_CA_BUNDLE', '/nowhere.pem')
  vi.stubEnv('FOREBAY_LISTEN', '[]')
  const { stdout } = await runCommand('env', [], { env: childEnvironment({ AWS_REGION: 'x' }) })
  const names = stdout.split('\n').map((line) => line.split('=')[0] ?? '')
  expect(names.filter((name) => /^(AWS|FOREBAY)_/.test(name)).sort()).toEqual([
    'AWS_CONFIG_FILE',
    'AWS_EC2_METADATA_DISABLED',
    'AWS_REGION',
    'AWS_SHARED_CREDENTIALS_FILE',
  ])
})

test('a command that fails is reported with what it said', async () => {
  await expect(runCommand('sh', ['-c', 'echo no such thing >&2; exit 3'])).rejects.toThrow(
    /exit 3\nno such thing/,
  )
  await expect(runCommand('forebay-does-not-exist', [])).rejects.toThrow(/ENOENT/)
})

test('a command that outlives its time is ended', async () => {
  await expect(runCommand('sleep', ['60'], { timeoutMs: 100 })).rejects.toThrow(
    /longer than 100 ms/,
  )
})

test('a server that ends at once is reported with what it said', async () => {
  const recipe = {
    ...{ name: 'broken', command: 'sh', args: ['-c', 'echo bad port >&2; exit 1'] },
    ...{ env: childEnvironment(), port: 1, readyPath: '/', isReady: () => false },
  }
  await expect(startServer(recipe)).rejects.toThrow(/broken did not start\nbad port/)
})

test.skipIf(isLeftOut('versitygw'))('the versitygw that is found runs', async () => {
  const { stdout } = await runCommand(requireTool('versitygw'), ['--help'])
  expect(stdout).toContain('posix filesystem storage backend')
})

test.skipIf(isLeftOut('nginx'))('the nginx that is found runs, and is no service', async () => {
  const folder = await temporaryFolder('nginx')
  const { stderr } = await runCommand(requireTool('nginx'), ['-v'], { cwd: folder.path })
  expect(stderr).toMatch(/nginx version: nginx\/1\.\d+/)
  await folder.remove()
})
