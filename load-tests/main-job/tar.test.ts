import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand } from '../testkit/run-command.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { TAR_END, tarMember } from './tar.ts'

test('tar itself reads what is written, at every edge of a block', async () => {
  const folder = await temporaryFolder('tar')
  const sizes = [0, 1, 511, 512, 513, 100_000]
  const members = sizes.map((sizeBytes) => ({
    name: `${sizeBytes}.bin`,
    content: Buffer.alloc(sizeBytes, sizeBytes % 251),
  }))
  await writeFile(join(folder.path, 'x.tar'), Buffer.concat([...members.map(tarMember), TAR_END]))
  const { stdout } = await runCommand('tar', ['-tvf', 'x.tar'], { cwd: folder.path })
  const listed = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/))
  expect(listed.map((columns) => [Number(columns[2]), columns.at(-1)])).toEqual(
    members.map(({ name, content }) => [content.length, name]),
  )
  await folder.remove()
})

test('a name that the form cannot hold is refused', () => {
  const content = Buffer.alloc(0)
  expect(tarMember({ name: 'a'.repeat(100), content })).toHaveLength(512)
  expect(() => tarMember({ name: 'a'.repeat(101), content })).toThrow(RangeError)
})
