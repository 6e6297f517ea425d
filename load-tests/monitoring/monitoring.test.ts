import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MetricsText } from '@forebay/observe/metrics-text'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCommand } from '../testkit/run-command.ts'
import { type Server, startForebay, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { ROOT } from '../testkit/tool-install.ts'
import { requireTool } from '../testkit/tools.ts'

/** What is for Prometheus and Grafana, against the metrics of a node that has done some work. */
const FOLDER = join(ROOT, 'infra', 'monitoring')
const ORIGIN_KEYS = { accessKey: 'origin-key', secretKey: 'origin-secret' }

interface Panel {
  readonly id: number
  readonly title: string
  readonly type: string
  readonly gridPos: {
    readonly x: number
    readonly y: number
    readonly w: number
    readonly h: number
  }
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[]
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: Server
let node: Server
let text: string
let metrics: MetricsText
let rules: string
let panels: readonly Panel[]

beforeAll(async () => {
  folder = await temporaryFolder('monitoring')
  const originDir = join(folder.path, 'origin')
  await mkdir(join(originDir, 'data'), { recursive: true })
  await writeFile(join(originDir, 'data', 'o'), 'hello')
  origin = await startVersitygw({ ...ORIGIN_KEYS, dir: originDir })
  node = await startForebay({
    dataDir: join(folder.path, 'node'),
    args: ['--set', `backends.aws.endpoint=${origin.url}`],
    env: {
      AWS_ACCESS_KEY_ID: ORIGIN_KEYS.accessKey,
      AWS_SECRET_ACCESS_KEY: ORIGIN_KEYS.secretKey,
    },
  })
  for (const [method, path] of [
    ['GET', '/data/o'],
    ['GET', '/data/o'],
    ['PUT', '/data/written'],
    ['GET', '/data/absent'],
  ] as const) {
    const init = method === 'PUT' ? { method, body: 'x' } : { method }
    await (await fetch(`${node.url}${path}`, init)).arrayBuffer()
  }
  text = await (await fetch(`${node.url}/metrics`)).text()
  metrics = new MetricsText(text)
  rules = await readFile(join(FOLDER, 'forebay.rules.yaml'), 'utf8')
  const dashboard = JSON.parse(await readFile(join(FOLDER, 'forebay-dashboard.json'), 'utf8'))
  panels = dashboard.panels
})

afterAll(async () => {
  await node?.stop()
  await origin?.stop()
  await folder?.remove()
})

/** Names of the metrics that the node knows, those of series without a child yet included. */
function knownNames(): ReadonlySet<string> {
  const families = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(
    ([, name = '', type = '']) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
  )
  return new Set([...families, ...metrics.names])
}

/** Every expression of the rules and the dashboard. */
function expressions(): readonly string[] {
  return [rules, ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))]
}

test('every metric that rules and dashboard name is one of the node', () => {
  const known = knownNames()
  const named = expressions().flatMap((expr) => [
    // A colon before or after makes it the name of a recording rule.
    ...expr.matchAll(/(?<![\w:])forebay_\w+(?![\w:])/g),
  ])
  const unknown = named.map(([name]) => name).filter((name) => !known.has(name))
  expect(named.length).toBeGreaterThan(40)
  expect(unknown).toEqual([])
})

test('every label that they ask for is one that the metric has', () => {
  const asked = expressions().flatMap((expr) => [
    ...expr.matchAll(/(?<![\w:])(forebay_\w+)\{([^}]*)\}/g),
  ])
  const ours = asked.flatMap(([, name = '', labels = '']) =>
    [...labels.matchAll(/(\w+)\s*[=!]~?/g)]
      .map(([, label = '']) => [name, label] as const)
      // Prometheus adds `instance` to everything that it scrapes.
      .filter(([, label]) => label !== 'instance'),
  )
  const wrong = ours.filter(([name, label]) => {
    const series = metrics.series(name)
    return series.length > 0 && !series.some(({ labels }) => labels.has(label))
  })
  expect(ours.length).toBeGreaterThan(10)
  expect(wrong).toEqual([])
})

test('the values of labels that they ask for are words of the node', () => {
  const values = (name: string, label: string) => new Set(metrics.valuesOf(name, label))
  expect(values('forebay_cache_reads_total', 'status')).toContain('revalidated')
  expect(values('forebay_cache_reads_total', 'bucket')).toContain('aws://data')
  expect(values('forebay_read_bytes_total', 'source')).toEqual(new Set(['cache', 'backend']))
  expect(values('forebay_requests_total', 'operation')).toContain('GetObject')
  expect(values('forebay_requests_total', 'status')).toContain('5xx')
  expect(values('forebay_backend_requests_total', 'outcome')).toContain('ok')
  expect(values('forebay_backend_bytes_total', 'direction')).toContain('received')
  expect(values('forebay_loop_delay_seconds', 'statistic')).toEqual(new Set(['p50', 'p99', 'max']))
})

describe('promtool', () => {
  const promtool = (...args: string[]) => runCommand(requireTool('promtool'), args, { cwd: FOLDER })

  test('the rules and the configuration are valid', async () => {
    await promtool('check', 'rules', 'forebay.rules.yaml')
    await promtool('check', 'config', 'prometheus.yaml')
  })

  test('each alert fires when it should and not before', async () => {
    await promtool('test', 'rules', 'forebay.rules.test.yaml')
  })

  test('every alert has a case, says how bad it is and what to do', async () => {
    const cases = await readFile(join(FOLDER, 'forebay.rules.test.yaml'), 'utf8')
    const alerts = rules.split(/- alert: /).slice(1)
    for (const alert of alerts) {
      expect(alert).toMatch(/severity: (critical|warning)/)
      expect(alert).toMatch(/summary: ".+"\n\s+todo: ".+"/)
      expect(cases).toContain(`alertname: ${alert.split('\n', 1)[0]}\n`)
    }
    expect(alerts.length).toBeGreaterThan(5)
  })

  test('it finds nothing wrong with what the node says', async () => {
    await runCommand(requireTool('promtool'), ['check', 'metrics'], { input: text })
  })

  test('every expression of the dashboard is one that Prometheus understands', async () => {
    const records = panels
      .flatMap(({ targets = [] }) => targets)
      .map(({ expr }, at) => {
        const plain = expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*')
        return `      - { record: 'panel:${at}', expr: ${JSON.stringify(plain)} }\n`
      })
    const path = join(folder.path, 'panels.yaml')
    await writeFile(path, `groups:\n  - name: panels\n    rules:\n${records.join('')}`)
    await promtool('check', 'rules', path)
  })
})

describe('the dashboard', () => {
  test('no panel has the id of another, and none has nothing to show', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const empty = panels.filter(({ type, targets }) => type !== 'row' && !targets?.length)
    expect(empty).toEqual([])
  })

  test('panels lie within the 24 columns and over no other', () => {
    const taken = new Map<string, string>()
    for (const { title, gridPos } of panels) {
      expect([title, gridPos.x + gridPos.w <= 24]).toEqual([title, true])
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.get(`${x},${y}`)]).toEqual([title, undefined])
          taken.set(`${x},${y}`, title)
        }
      }
    }
  })
})
