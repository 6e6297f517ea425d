import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { childEnvironment } from '../testkit/run-command.ts'
import { freePort, startServer, temporaryFolder } from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  folder = await temporaryFolder('start')
})

afterAll(() => folder.remove())

/** `npm start` in the checkout, as a newcomer types it. */
async function npmStart(name: string) {
  const port = await freePort()
  const data = join(folder.path, name)
  const args = ['--port', String(port), '--data', data, '--mountpath', join(data, 'disk')]
  return startServer({
    name: 'npm start',
    command: 'npm',
    args: ['--prefix', ROOT, 'start', '--', ...args],
    env: childEnvironment(),
    port,
    readyPath: '/v1/health?readiness=true',
    isReady: (status) => status === 200,
  })
}

describe('npm start', () => {
  test('prints the endpoint and lines to copy for aws cli, boto3 and forebay', async () => {
    const server = await npmStart('banner')
    const text = server.logs()
    expect(text).toContain(`http://127.0.0.1:${server.port}`)
    for (const line of [/aws s3 /, /boto3\.client\('s3'/, /npx forebay /])
      expect(text).toMatch(line)
    await server.stop()
  })

  test('answers liveness, readiness, metrics and both roots of the S3 door', async () => {
    const server = await npmStart('pages')
    for (const path of ['/v1/health', '/v1/health?readiness=true', '/metrics', '/', '/s3']) {
      const response = await fetch(`${server.url}${path}`)
      expect([path, response.status]).toEqual([path, 200])
      await response.arrayBuffer()
    }
    await server.stop()
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s drains and exits with 0', async (signal) => {
    const server = await npmStart(signal)
    expect(await server.stop(signal)).toBe(0)
    await expect(fetch(`${server.url}/v1/health`)).rejects.toThrow()
  })
})

describe('a start that cannot be', () => {
  test.each([
    { title: 'an unknown key', config: { cache: { revalidateTtI: '5m' } }, says: /revalidateTtI/ },
    {
      title: 'a bad value',
      config: { cache: { revalidateTtl: 'soon' } },
      says: /revalidateTtl.*soon/s,
    },
    {
      title: 'open mode on an address that others reach',
      config: { listen: [{ address: '0.0.0.0', port: 0 }] },
      says: /open|insecure/,
    },
  ])('$title stops it with an error that names it', async ({ title, config, says }) => {
    const path = join(folder.path, `${title.replaceAll(' ', '-')}.json`)
    await writeFile(path, JSON.stringify(config))
    const data = join(folder.path, 'refused')
    const { code, text } = await runToEnd(['start', '--config', path, '--data', data])
    expect(code).not.toBe(0)
    expect(text).toMatch(says)
  })

  test('a command that setup.mjs does not know is refused with those that there are', async () => {
    const { code, text } = await runToEnd(['stat'])
    expect(code).toBe(1)
    expect(text).toMatch(/unknown command "stat".*start, test, check/)
  })
})

function runToEnd(args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [join(ROOT, 'setup.mjs'), ...args], {
    env: childEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
    })
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })))
}
