import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { pack, unpack } from '@forebay/archive/testing/archives'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTestDoor, type TestDoor } from './testing/test-door.ts'

const MEMBERS = {
  'train/a.jpg': 'picture',
  'train/a.cls': '7',
  'train/b.jpg': 'x'.repeat(300_000),
  empty: '',
} as const

const FORMATS = ['tar', 'tgz', 'tar.lz4', 'zip'] as const

let door: TestDoor

beforeEach(async () => {
  door = await openTestDoor()
  const namespace = { uuid: '', name: '' }
  await door.buckets.create({ provider: 'ais', namespace, name: 'b' }, {})
})
afterEach(() => door.close())

async function put(key: string, bytes: Buffer): Promise<void> {
  const stored = await fetch(`${door.url}/v1/objects/b/${key}`, {
    method: 'PUT',
    body: new Uint8Array(bytes),
  })
  expect(stored.status).toBe(200)
}

const get = (key: string, query: object, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${door.url}/v1/objects/b/${key}?${new URLSearchParams({ ...query })}`, { headers })

test.each(FORMATS)(
  'one member of a %s is sent as it is, with its length and no digest',
  async (format) => {
    await put(`s.${format}`, await pack(format, MEMBERS))
    for (const [name, content] of Object.entries(MEMBERS)) {
      const answer = await get(`s.${format}`, { archpath: name, archregx: '' })
      expect([answer.status, await answer.text()]).toEqual([200, content])
      expect(answer.headers.get('content-length')).toBe(String(content.length))
      expect(answer.headers.get('content-type')).toBe('application/octet-stream')
      expect(answer.headers.get('ais-checksum-value')).toBeNull()
    }
  },
)

test.each(FORMATS)('members of a %s that match come as a TAR, in its order', async (format) => {
  await put(`s.${format}`, await pack(format, MEMBERS))
  const all = Object.keys(MEMBERS)
  const wanted = [
    [{ archmode: 'prefix', archregx: 'train/a' }, ['train/a.jpg', 'train/a.cls']],
    [{ archmode: 'suffix', archregx: '.jpg' }, ['train/a.jpg', 'train/b.jpg']],
    [{ archmode: 'substr', archregx: 'b.j' }, ['train/b.jpg']],
    [{ archmode: 'wdskey', archregx: 'train/a' }, ['train/a.jpg', 'train/a.cls']],
    [{ archmode: 'regexp', archregx: '/[ab]\\.jpg$' }, ['train/a.jpg', 'train/b.jpg']],
    [{ archmode: 'regexp', archregx: '' }, all],
    [{ archmode: 'prefix', archregx: '*' }, all],
  ] as const
  for (const [query, names] of wanted) {
    const answer = await get(`s.${format}`, query)
    expect(answer.headers.get('content-type')).toBe('application/x-tar')
    const found = await unpack('tar', Buffer.from(await answer.arrayBuffer()))
    expect(Object.entries(found)).toEqual(
      Object.entries(MEMBERS).filter(([name]) => names.some((one) => one === name)),
    )
  }
})

test('what is not in the archive is told with the archive that it is not in', async () => {
  await put('s.tar', await pack('tar', MEMBERS))
  const answer = await get('s.tar', { archpath: 'train/c.jpg' })
  expect(answer.status).toBe(404)
  expect(await answer.json()).toMatchObject({
    tcode: 'ErrNotFound',
    message: 'train/c.jpg in ais://b/s.tar does not exist',
  })
  expect((await get('s.tar', { archmode: 'suffix', archregx: '.png' })).status).toBe(404)
  expect(await (await get('none.tar', { archpath: 'x' })).json()).toMatchObject({
    message: 'ais://b/none.tar does not exist',
  })
})

test.each([
  [{ archpath: 'x'.repeat(5000) }],
  [{ archpath: '../x' }],
  [{ archpath: '/etc/passwd' }],
  [{ archpath: 'a', archmode: 'prefix' }],
  [{ archregx: 'a' }],
  [{ archmode: 'glob', archregx: 'a' }],
  [{ archmode: 'regexp', archregx: '(a' }],
  [{ archmode: 'prefix', archregx: 'x'.repeat(1025) }],
  [{ archpath: 'a', archmime: '.rar' }],
])('a question that is none is refused before anything is read (%#)', async (query) => {
  await put('s.tar', await pack('tar', MEMBERS))
  const { length } = door.target.requests
  expect((await get('s.tar', query)).status).toBe(400)
  expect(door.target.requests).toHaveLength(length)
})

test('a range of a member is refused', async () => {
  await put('s.tar', await pack('tar', MEMBERS))
  expect((await get('s.tar', { archpath: 'empty' }, { range: 'bytes=0-1' })).status).toBe(400)
})

test('a pattern that takes for ever elsewhere is answered at once', async () => {
  await put('s.tar', await pack('tar', { [`${'a'.repeat(90)}!`]: 'x' }))
  expect((await get('s.tar', { archmode: 'regexp', archregx: '(a+)+$' })).status).toBe(404)
})

test('the format is the one that is stated, else that of the name, else that of the first bytes', async () => {
  await put('shard', await pack('tgz', MEMBERS))
  await put('odd.tar', await pack('zip', MEMBERS))
  expect(await (await get('shard', { archpath: 'train/a.cls' })).text()).toBe('7')
  expect((await get('odd.tar', { archpath: 'train/a.cls' })).status).toBe(400)
  const stated = await get('odd.tar', { archpath: 'train/a.cls', archmime: '.zip' })
  expect(await stated.text()).toBe('7')
  await put('text', Buffer.from('no archive'))
  expect((await get('text', { archpath: 'a' })).status).toBe(400)
  await put('nothing', Buffer.alloc(0))
  expect((await get('nothing', { archpath: 'a' })).status).toBe(400)
})

test.each(['tgz', 'zip'] as const)(
  'a member of a %s with wrong bytes is never whole',
  async (format) => {
    // Half of it stays as it was, so that the head of the answer is out by then.
    const content = Buffer.from(Array.from({ length: 400_000 }, (_, at) => (at * 7919) % 251))
    const archive = await pack(format, { x: content })
    const at = Math.floor(archive.length * 0.9)
    archive.writeUInt8(archive.readUInt8(at) ^ 1, at)
    await put(`s.${format}`, archive)
    const received = await receive(`/v1/objects/b/s.${format}?archpath=x`)
    expect(received.isWhole).toBe(false)
    expect(received.bytes).toBeLessThan(content.length)
  },
)

test('what is wrong in a small member is told, and nothing of it sent', async () => {
  const archive = await pack('zip', { x: 'a few bytes' })
  const at = archive.indexOf('few')
  archive.write('new', at)
  await put('s.zip', archive)
  const answer = await get('s.zip', { archpath: 'x' })
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({ code: 'archive-invalid' })
})

test('an archive that unpacks to a thousand times its size is given up', async () => {
  const zeros = Buffer.alloc(96 * 1024 ** 2)
  const header = (await pack('tar', { zeros: '' })).subarray(0, 512)
  header.write(`${zeros.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  fixSum(header)
  await put('s.tgz', gzipSync(Buffer.concat([header, zeros])))
  const received = await receive('/v1/objects/b/s.tgz?archpath=zeros')
  expect(received.isWhole).toBe(false)
  expect(received.bytes).toBeLessThan(70 * 1024 ** 2)
})

test('sizes that are none, and archives that end in the middle, are refused', async () => {
  const archive = await pack('tar', { x: 'x'.repeat(5000), y: 'y' })
  const negative = Buffer.from(archive)
  negative.fill(0xff, 124, 136)
  fixSum(negative)
  await put('negative.tar', negative)
  await put('cut.tar', archive.subarray(0, 3000))
  for (const key of ['negative.tar', 'cut.tar']) {
    expect((await get(key, { archpath: 'y' })).status).toBe(400)
  }
})

test('what leads out of an archive is no member of it, and links are not followed', async () => {
  const archive = await pack('tar', { 'aa/x': 'outside', good: 'inside' })
  // The name of the first header becomes one that leads out; its checksum is made right again.
  archive.write('../x', 0, 'latin1')
  fixSum(archive)
  await put('s.tar', archive)
  expect(await (await get('s.tar', { archpath: 'good' })).text()).toBe('inside')
  const all = await get('s.tar', { archmode: 'prefix' })
  expect(await unpack('tar', Buffer.from(await all.arrayBuffer()))).toEqual({ good: 'inside' })
})

test('members of a TAR are looked for once: then they are read where they are', async () => {
  const members = Object.fromEntries(
    Array.from({ length: 300 }, (_, at) => [`m-${at}`, `content ${at}`.padEnd(2000, '.')]),
  )
  await put('s.tar', await pack('tar', members))
  const reads = async (name: string): Promise<number> => {
    const { length } = door.target.requests
    expect((await get('s.tar', { archpath: name })).status).toBe(200)
    return door.target.requests.length - length
  }
  expect(await reads('m-299')).toBeGreaterThan(3)
  // HEAD, and the member.
  expect([await reads('m-0'), await reads('m-150'), await reads('m-299')]).toEqual([2, 2, 2])
  await put('s.tar', await pack('tar', { other: 'x' }))
  expect((await get('s.tar', { archpath: 'm-0' })).status).toBe(404)
})

function fixSum(header: Buffer): void {
  header.fill(' ', 148, 156)
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
}

/** `fetch` hides how much of a broken answer came. */
function receive(path: string): Promise<{ readonly isWhole: boolean; readonly bytes: number }> {
  return new Promise((resolve) => {
    let bytes = 0
    const outgoing = request(`${door.url}${path}`, (answer) => {
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      answer.once('end', () => resolve({ isWhole: answer.complete, bytes }))
      answer.once('error', () => resolve({ isWhole: false, bytes }))
    })
    outgoing.once('error', () => resolve({ isWhole: false, bytes }))
    outgoing.end()
  })
}
