import { createHash } from 'node:crypto'
import { checkArgs } from '@forebay/jobs/check-schema'
import type { JsonObject } from '@forebay/jobs/job'
import { DOWNLOAD } from '@forebay/jobs/kinds/download'
import type { BucketRecord } from '@forebay/model/bucket'
import type { JobContext } from '@forebay/target/jobs/kind-work'
import { DOWNLOAD_WORK } from '@forebay/target/jobs/kinds/download'
import type { JobRig } from '@forebay/target/jobs/testing/job-rig'
import { answer } from '@forebay/testkit/origin/answers'
import type { OriginScript, ScriptedOrigin } from '@forebay/testkit/origin/scripted-origin'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { listAll, openWorld, runOnce } from './download-job.ts'

let rig: JobRig
let bucket: BucketRecord
let context: JobContext
let origin: ScriptedOrigin
let script: OriginScript
let close: () => Promise<void>

beforeEach(async () => {
  const world = await openWorld((request) => script(request))
  ;({ rig, bucket, context, origin, close } = world)
})

afterEach(() => close())

function job(args: JsonObject) {
  return rig.job('download', bucket, checkArgs(DOWNLOAD, args))
}

describe('names of files', () => {
  test('come from the list of links, by their keys or their last names', async () => {
    script = ({ target }) => answer({ status: target === '/c' ? 404 : 200, body: target })
    const { url } = origin
    const links = { 'k/1': `${url}/a`, '2': `${url}/x/b` }
    expect(await runOnce(context, job({ links }))).toEqual({ 'k/1': 'done', '2': 'done' })
    expect(await runOnce(context, job({ links: [`${url}/a`, `${url}/x/b`, `${url}/c`] }))).toEqual({
      a: 'done',
      b: 'done',
      c: 'object-not-found',
    })
  })

  test('that are the same for two links are refused', async () => {
    const links = ['http://host/a/f', 'http://host/b/f']
    await expect(listAll(context, job({ links }))).rejects.toMatchObject({
      code: 'argument-invalid',
    })
  })

  test.each([
    ['/d/s-{01..03}.tar', ['s-01.tar', 's-02.tar', 's-03.tar']],
    ['/d/{1..2}/f-{1..2}', ['1/f-1', '1/f-2', '2/f-1', '2/f-2']],
    ['/d/s-@2.tar', ['s-0.tar', 's-1.tar', 's-2.tar']],
    ['/d/only-{7..7}', ['only-7']],
  ])('of the template %s are what differs', async (template, names) => {
    const items = await listAll(context, job({ template: `${origin.url}${template}` }))
    expect(items.map(({ key }) => key)).toEqual(names)
  })

  test('of a long template come page by page', async () => {
    const items = await listAll(context, job({ template: `${origin.url}/s-%04d` }))
    expect(items).toHaveLength(10_000)
    expect(new Set(items.map(({ key }) => key)).size).toBe(10_000)
  })

  test('are chosen by patterns', async () => {
    const args = { template: `${origin.url}/{1..4}/f`, include: ['?/f'], exclude: ['3/*'] }
    const items = await listAll(context, job(args))
    expect(items.map(({ key }) => key)).toEqual(['1/f', '2/f', '4/f'])
  })

  test('leave others their turn, however long patterns and names are', async () => {
    const name = 'a'.repeat(900)
    const exclude = Array.from({ length: 5 }, (_, at) => `${'*a'.repeat(200)}${at}`)
    const args = { template: `${origin.url}/${name}-{1..3}`, exclude }
    let turns = 0
    const count = (): void => {
      turns += 1
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    expect(await listAll(context, job(args))).toHaveLength(3)
    clearImmediate(counting)
    expect(turns).toBeGreaterThan(10)
  })

  test('above their limit fail the job', async () => {
    const args = { template: `${origin.url}/f{1..4}` }
    await expect(listAll(context, job({ ...args, objectsMax: 4 }))).resolves.toHaveLength(4)
    await expect(listAll(context, job({ ...args, objectsMax: 3 }))).rejects.toMatchObject({
      code: 'entity-too-large',
    })
  })
})

describe('a directory', () => {
  interface Tree {
    readonly [name: string]: string | Tree
  }

  function serveTree(tree: Tree): OriginScript {
    return ({ target }) => {
      const names = target.split('/').slice(1).map(decodeURIComponent)
      let at: string | Tree | undefined = tree
      for (const name of names) {
        if (name !== '')
          at = typeof at === 'object' && Object.hasOwn(at, name) ? at[name] : undefined
      }
      if (typeof at === 'string') return answer({ status: 200, body: at })
      if (at === undefined || !target.endsWith('/')) return answer({ status: 404 })
      const links = Object.entries(at).map(([name, inner]) => {
        const slash = typeof inner === 'string' ? '' : '/'
        return `<a href="${encodeURIComponent(name)}${slash}">${slash}</a>`
      })
      return answer({
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: `<title>Index of x</title><a href="../">up</a>${links.join('\n')}`,
      })
    }
  }

  function crawl(args: JsonObject = {}) {
    return job({ directory: `${origin.url}/`, ...args })
  }

  async function namesOf(args: JsonObject = {}): Promise<readonly string[]> {
    return (await listAll(context, crawl(args))).map(({ key }) => key)
  }

  test('is listed with all that is below it, in the order of keys', async () => {
    script = serveTree({ b: '1', a: { y: '2', 'x é': { deep: '3' } }, 'a!': '4', empty: {} })
    expect(await namesOf()).toEqual(['a!', 'a/x é/deep', 'a/y', 'b'])
    expect(await runOnce(context, crawl({ prepend: 'in/' }))).toEqual({
      'in/a!': 'done',
      'in/a/x é/deep': 'done',
      'in/a/y': 'done',
      'in/b': 'done',
    })
  })

  test('is listed to the depth that is wanted', async () => {
    script = serveTree({ b: '1', a: { y: '2', x: { deep: '3' } } })
    expect(await namesOf({ depth: 0 })).toEqual(['b'])
    expect(await namesOf({ depth: 1 })).toEqual(['a/y', 'b'])
    expect(await namesOf({ depth: 2 })).toEqual(['a/x/deep', 'a/y', 'b'])
  })

  test('of more files than a page has, and of many directories, is complete', async () => {
    const files = (count: number): Tree =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, 'x']))
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`d${at}`, files(3)]))
    script = serveTree({ large: files(2500), many })
    const names = await namesOf()
    expect(names).toHaveLength(2500 + 600)
    expect(new Set(names).size).toBe(names.length)
    // Each index page once, although steps go on in the middle of them.
    expect(origin.requests).toHaveLength(203)
  })

  test('whose path is no key any more is not looked into', async () => {
    let tree: Tree = { f: '1' }
    for (let depth = 0; depth < 7; depth++) tree = { [`${depth}`.repeat(200)]: tree }
    script = serveTree({ ...tree, f: '2' })
    const results = await runOnce(context, crawl())
    expect(Object.values(results)).toEqual(['backend-refused', 'done'])
    expect(origin.requests.every(({ target }) => target.length <= 1024)).toBe(true)
  })

  test('that lies in others of its name is no circle', async () => {
    script = serveTree({ data: { data: { data: { f: '1' } } } })
    expect(await namesOf()).toEqual(['data/data/data/f'])
  })

  test('of directories alone that lead back to each other comes to an end', async () => {
    const loop: Record<string, Tree> = {}
    loop['a'] = loop
    loop['b'] = loop
    script = serveTree(loop)
    const results = Object.values(await runOnce(context, crawl()))
    expect(new Set(results)).toEqual(new Set(['backend-refused']))
  })

  test('that does not show its names fails the job', async () => {
    script = () => answer({ status: 200, headers: { 'content-type': 'text/html' }, body: 'hello' })
    await expect(namesOf()).rejects.toMatchObject({ code: 'not-implemented' })
    script = () => answer({ status: 404 })
    await expect(namesOf()).rejects.toMatchObject({ code: 'object-not-found' })
  })

  test('that may not be listed below the first is a failure of its own', async () => {
    const tree = serveTree({ a: { y: '1' }, b: { z: '2' }, c: '3' })
    script = (request) => (request.target === '/a/' ? answer({ status: 403 }) : tree(request))
    expect(await runOnce(context, crawl())).toEqual({
      'a/': 'backend-refused',
      'b/z': 'done',
      c: 'done',
    })
  })

  test('that fails for the moment fails the step, not the tree', async () => {
    const tree = serveTree({ a: { y: '1' } })
    script = (request) => (request.target === '/a/' ? answer({ status: 500 }) : tree(request))
    await expect(namesOf()).rejects.toMatchObject({ code: 'backend-unreachable', retryable: true })
  })

  test('that is linked in a circle is seen', async () => {
    const loop: Record<string, string | Tree> = { f: '1' }
    loop['again'] = loop
    script = serveTree({ top: loop, z: '2' })
    expect(await runOnce(context, crawl())).toEqual({
      'top/again/': 'backend-refused',
      'top/f': 'done',
      z: 'done',
    })
  })
})

describe("HuggingFace's hub", () => {
  const COMMIT = 'c'.repeat(40)
  const LARGE = 'large file'
  const SHA = createHash('sha256').update(LARGE).digest('hex')

  function serveHub(files: readonly JsonObject[], large = LARGE): OriginScript {
    return ({ target, headers }) => {
      if (headers['authorization'] !== 'Bearer hf_secret') return answer({ status: 401 })
      if (target === '/api/datasets/o/d/revision/main') {
        return answer({ status: 200, body: JSON.stringify({ sha: COMMIT }) })
      }
      const tree = `/api/datasets/o/d/tree/${COMMIT}?recursive=true`
      if (target === tree) {
        const link = `<${origin.url}${tree}&cursor=x>; rel="next"`
        return answer({ status: 200, headers: { link }, body: JSON.stringify(files) })
      }
      const file = { type: 'file', oid: 'd'.repeat(40), size: 5, path: 'README.md' }
      if (target === `${tree}&cursor=x`)
        return answer({ status: 200, body: JSON.stringify([file]) })
      const at = `/datasets/o/d/resolve/${COMMIT}/`
      if (target === `${at}README.md`) return answer({ status: 200, body: 'hello' })
      if (target === `${at}data/a%20b.bin`) return answer({ status: 200, body: large })
      return answer({ status: 404 })
    }
  }

  const FILES: readonly JsonObject[] = [
    { type: 'directory', oid: 'e', size: 0, path: 'data' },
    { type: 'file', size: 10, path: 'data/a b.bin', lfs: { oid: SHA, size: 10 } },
    { type: 'file', size: 1, path: '../../etc/passwd' },
  ]
  const ARGS = { huggingFace: { dataset: 'o/d', tokenEnv: 'HF_TOKEN' } }

  test('is listed page by page at one commit, and each file is fetched', async () => {
    script = serveHub(FILES)
    expect(await runOnce(context, job(ARGS))).toEqual({
      'data/a b.bin': 'done',
      '../../etc/passwd': 'key-invalid',
      'README.md': 'done',
    })
    expect(await rig.contents(bucket)).toEqual({ 'README.md': 'hello', 'data/a b.bin': LARGE })
  })

  test('whose file is not what the list told is not believed', async () => {
    script = serveHub(FILES, 'another one')
    const order = job({ ...ARGS, include: ['*.bin'] })
    expect(await runOnce(context, order)).toEqual({ 'data/a b.bin': 'backend-corrupt' })
    expect(await rig.contents(bucket)).toEqual({})
  })

  test('gets no token that the node does not have, and other hubs none at all', async () => {
    script = serveHub(FILES)
    const unknown = { huggingFace: { dataset: 'o/d', tokenEnv: 'HF_TOKEN_OTHER' } }
    await expect(listAll(context, job(unknown))).rejects.toMatchObject({ code: 'argument-invalid' })
    const elsewhere = { huggingFace: { ...ARGS.huggingFace, endpoint: 'http://evil.example' } }
    expect(() => job(elsewhere)).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
    const none = { huggingFace: { dataset: 'o/d' } }
    await expect(listAll(context, job(none))).rejects.toMatchObject({ code: 'backend-denied' })
  })

  test('does not hear the token where a stored place leads elsewhere', async () => {
    script = serveHub(FILES)
    const at = JSON.stringify({ commit: COMMIT, page: 'http://127.0.0.1:9/tree', skip: 0 })
    const cursor = JSON.stringify({ count: 0, at })
    const lease = { signal: new AbortController().signal, check: () => undefined }

    await expect(
      DOWNLOAD_WORK.list(context, { job: job(ARGS), cursor, lease }),
    ).rejects.toMatchObject({ code: 'argument-invalid' })
  })
})
