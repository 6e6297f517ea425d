import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './testing/store-fixture.ts'
import { Trash } from './trash.ts'

/** A mountpath with a bucket of so many objects in so many directories. */
function filled(directories: number, objects: number): string {
  const root = temporaryDirectory()
  mkdirSync(join(root, '.forebay/trash'), { recursive: true })
  for (let at = 0; at < directories; at++) {
    mkdirSync(join(root, `bucket/${at}`), { recursive: true })
    for (let object = 0; object < objects; object++) {
      writeFileSync(join(root, `bucket/${at}/${object}`), '')
    }
  }
  return root
}

const left = (root: string) => readdirSync(join(root, '.forebay/trash'), { recursive: true })

function trashOf(root: string): { readonly trash: Trash; readonly errors: readonly string[] } {
  const errors: string[] = []
  return { trash: new Trash(root, (path, code) => errors.push(`${code} ${path}`)), errors }
}

test('what is taken is removed, whatever is in it, and no link is followed', async () => {
  const root = filled(3, 5)
  writeFileSync(join(root, 'kept'), '')
  symlinkSync(root, join(root, 'bucket/0/link'))
  const { trash, errors } = trashOf(root)
  expect(await trash.take('bucket')).toBe(true)
  expect(await trash.take('bucket')).toBe(false)
  await trash.idle()
  expect(left(root)).toEqual([])
  expect(errors).toEqual([])
  expect(existsSync(join(root, 'kept'))).toBe(true)
})

test('the end of a node does not wait for a large bucket to be removed; the next start goes on', async () => {
  const root = filled(20, 100)
  const { trash, errors } = trashOf(root)
  await trash.take('bucket')
  await trash.stop()
  expect(left(root).length).toBeGreaterThan(1000)
  expect(errors).toEqual([])
  const next = trashOf(root)
  next.trash.empty()
  await next.trash.idle()
  expect(left(root)).toEqual([])
})
