import { loadSettings } from '@forebay/config/load'
import { expect, test } from 'vitest'
import { systemMachine } from './machine.ts'
import { checkMountpaths } from './mountpaths.ts'

const row = (path: string, state: string, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ path, state, number: 1, uuid: 'u', attached: false, sinceMs: 0, replay: 'none' },
  ...more,
})

async function look(document: unknown) {
  const asked: string[] = []
  const readText = async (path: string): Promise<string | undefined> => {
    asked.push(path)
    return typeof document === 'string' ? document : JSON.stringify(document)
  }
  const { settings } = await loadSettings({
    flags: { set: ['dataDir=/data', 'mountpaths=["/a","/b"]'] },
    environment: { variables: {}, home: '/home/somebody' },
    readFile: async () => undefined,
  })
  const seen = await checkMountpaths({ ...systemMachine, readText }, settings)
  expect(asked).toEqual(['/data/mountpaths.json'])
  return seen
}

test.each([
  [{}, 'ok', '/a is in service'],
  [{ reason: 'it could not be emptied' }, 'warning', '/a is in service: it could not be emptied'],
  [{ state: 'draining', next: 'detach' }, 'note', '/a is being emptied, to detach it'],
  [{ state: 'disabled', reason: 'by order' }, 'note', '/a is disabled since 1970'],
  [{ state: 'faulted', reason: 'it hangs' }, 'warning', '/a is out of service since 1970'],
])('a mountpath with %o is told as %s: %s', async (more, level, message) => {
  const { findings } = await look({ format: 1, detached: [], rows: [row('/a', 'enabled', more)] })
  expect(findings).toMatchObject([
    { check: 'mountpath', level, message: expect.stringContaining(message) },
  ])
})

test('the disks to look at are those of the settings but detached ones, and attached ones', async () => {
  const rows = [row('/a', 'enabled'), row('/c', 'enabled', { attached: true })]
  const { paths, findings } = await look({ format: 1, detached: ['/b', '/x'], rows })
  expect(paths).toEqual(['/a', '/c'])
  expect(findings.at(-1)).toMatchObject({
    level: 'note',
    message: expect.stringContaining('/b is in the settings, but was detached'),
  })
})

test('without a table those of the settings count, and there is nothing to say', async () => {
  expect(await look(undefined)).toEqual({ findings: [], paths: ['/a', '/b'] })
})

test.each(['{"format":1', '{"format":9,"rows":[],"detached":[]}', '[]'])(
  'a table that a start refuses is a problem: %s',
  async (text) => {
    const { findings, paths } = await look(text)
    expect(findings).toMatchObject([{ level: 'problem', todo: expect.stringMatching(/\w/) }])
    expect(paths).toEqual(['/a', '/b'])
  },
)
