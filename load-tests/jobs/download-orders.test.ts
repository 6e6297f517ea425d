import { openWeb } from '@forebay/backend-http/web'
import { systemClock } from '@forebay/base/clock'
import type { JsonObject } from '@forebay/jobs/job'
import { DOWNLOAD_WORK } from '@forebay/target/jobs/kinds/download'
import { afterAll, expect, test } from 'vitest'

const web = openWeb({ allow: ['10.1.2.3'], nodeId: 'testnode', clock: systemClock })
const hub = { endpoint: 'https://hub.example', tokenOf: () => undefined }

afterAll(() => web.close())

/** More than one page of a list. */
const MANY = Array.from({ length: 1500 }, (_, at) => `https://data.example.org/f-${at}`)

function vet(args: JsonObject): void {
  DOWNLOAD_WORK.vet?.({ web, hub }, args)
}

const METADATA = 'http://169.254.169.254/latest/'

test.each<JsonObject>([
  { link: 'http://127.0.0.1:8080/a' },
  { link: 'http://2130706433/a' },
  { link: 'http://[::1]/a' },
  { link: 'http://10.1.2.4/a' },
  { links: { a: 'https://data.example.org/a', b: 'http://10.1.2.4:80?z' } },
  { links: ['http://host/a', `${METADATA}x`] },
  { links: { a: `${METADATA}x` } },
  { template: 'http://127.0.0.1/{1..3}' },
  { directory: METADATA },
  { huggingFace: { dataset: 'a/b', endpoint: 'http://192.168.1.1' } },
])('an order of %j is refused before it is taken', (args) => {
  expect(() => vet(args)).toThrow(expect.objectContaining({ code: 'backend-refused', status: 400 }))
})

test('of links that are more than a page, every server is looked at', () => {
  expect(() => vet({ links: MANY })).not.toThrow()
  const links = [...MANY, 'http://10.1.2.4/z']
  expect(() => vet({ links })).toThrow(expect.objectContaining({ code: 'backend-refused' }))
})

test.each<JsonObject>([
  { link: 'http://host/a' },
  { link: 'http://10.1.2.3/a' },
  { links: ['http://host/a'] },
  { template: 'http://host/{1..3}' },
  { directory: 'http://host/' },
  { huggingFace: { dataset: 'a/b' } },
])('an order of %j is taken', (args) => {
  expect(() => vet(args)).not.toThrow()
})

test.each<JsonObject>([
  { links: ['http://host/a/f', 'http://host/b/f'] },
  { link: 'http://host/' },
  { template: 'http://host/f' },
  { template: 'http://host/{2..1}' },
])('an order of %j, which names no files, is refused before it is taken', (args) => {
  expect(() => vet(args)).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
})
