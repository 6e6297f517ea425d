import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { listFiles, listImports, listManifests, listSources } from './repository.ts'

/** Lowest first. A package may depend only on packages listed before it. */
const ORDER = [
  'base',
  'model',
  'wire',
  'peer',
  's3',
  'control',
  'archive',
  'jobs',
  'config',
  'observe',
  'client',
  'testkit',
  'backend-port',
  'backend-transport',
  'backend-memory',
  'backend-s3',
  'backend-gcs',
  'backend-azure',
  'backend-http',
  'target',
  'gateway',
  'cli',
  'console',
  'forebay',
  'load-tests',
].map((name) => `@forebay/${name}`)

const manifests = listManifests().filter(({ folder }) => folder !== '.')

test('every workspace has its place in the order of the rings', () => {
  const unplaced = manifests.map(({ name }) => name).filter((name) => !ORDER.includes(name))
  expect(unplaced).toEqual([])
})

test('packages depend only on packages of lower rings', () => {
  const upward = manifests.flatMap(({ name, dependencies = {} }) =>
    Object.keys(dependencies)
      .filter((other) => ORDER.indexOf(other) >= ORDER.indexOf(name))
      .map((other) => `${name} -> ${other}`),
  )
  expect(upward).toEqual([])
})

test('no relative import leaves its package', () => {
  const escapes = manifests.flatMap(({ folder }) =>
    listFiles()
      .filter((file) => file.startsWith(`${folder}/`) && file.endsWith('.ts'))
      .flatMap(listImports)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter(
        ({ file, specifier }) =>
          !normalize(join(dirname(file), specifier)).startsWith(`${folder}/`),
      )
      .map(({ file, specifier }) => `${file} -> ${specifier}`),
  )
  expect(escapes).toEqual([])
})

/** Modules that only some folders may know, by the beginning of the path. */
const RESTRICTED: Readonly<Record<string, readonly RegExp[]>> = {
  fastify: [/^shared\/http\//, /^services\/[^/]+\/src\/api\//],
  lmdb: [/^services\/target\/src\/store\//, /^shared\/jobs\/src\/embedded\//],
  msgpackr: [
    /^services\/target\/src\/store\//,
    /^shared\/wire\//,
    /^shared\/jobs\/src\/embedded\//,
  ],
  bullmq: [/^shared\/jobs\/src\/bullmq\//],
  'lz4-napi': [/^shared\/archive\//],
  ioredis: [/^shared\/jobs\/src\/bullmq\//],
  typebox: [/^shared\/jobs\//, /^services\/gateway\/src\/api\//],
  undici: [/^backends\/[^/]+\//],
  '@aws-sdk': [/^backends\/s3\//],
  '@smithy': [/^backends\/s3\//],
  '@google-cloud': [/^backends\/gcs\//],
  'google-auth-library': [/^backends\/gcs\//],
  '@azure': [/^backends\/azure\//],
  'node:ffi': [/^services\/target\/src\/os\//],
  yaml: [/^shared\/config\//],
  pino: [/^shared\/observe\//],
  'prom-client': [/^shared\/observe\//],
  '@opentelemetry': [/^shared\/observe\//],
  'fast-xml-parser': [/^shared\/s3\//],
  commander: [/^services\/cli\//],
  vite: [/^services\/console\/src\/build\.ts$/],
  preact: [/^services\/console\/src\/page\//],
  uplot: [/^services\/console\/src\/page\//],
}

test('a library is imported only where it has its place', () => {
  const misplaced = listSources()
    .flatMap(listImports)
    .filter(({ file, specifier }) => {
      const [scopeOrName = '', name = ''] = specifier.split('/')
      const allowed = RESTRICTED[scopeOrName] ?? RESTRICTED[`${scopeOrName}/${name}`]
      return allowed !== undefined && !allowed.some((pattern) => pattern.test(file))
    })
    .map(({ file, specifier }) => `${file} -> ${specifier}`)
  expect(misplaced).toEqual([])
})
