import { expect, test } from 'vitest'
import { parseSettingFlags } from './flags.ts'

test('flags are read with a space or an equals sign', () => {
  expect(
    parseSettingFlags([
      '--port',
      '9000',
      '--data=/d',
      '--mountpath',
      '/m1',
      '--mountpath=/m2',
      '--insecure',
      '--config=/c.yaml',
      '--set',
      's3.region=eu',
      '--set=log.level=warn',
    ]),
  ).toEqual({
    config: '/c.yaml',
    port: '9000',
    data: '/d',
    mountpath: ['/m1', '/m2'],
    insecure: true,
    set: ['s3.region=eu', 'log.level=warn'],
  })
})

test('no flags say nothing', () => {
  expect(Object.values(parseSettingFlags([])).every((value) => value === undefined)).toBe(true)
})

test.each([
  [['--prot', '1'], /--prot is not known; did you mean --port\?/],
  [['serve'], /serve is not known/],
  [['--port'], /--port needs a value/],
  [['--data='], /--data needs a value/],
  [['--port', '1', '--port', '2'], /--port is given twice/],
  [['--insecure=no'], /--insecure takes no value/],
])('%j is refused', (argv, why) => {
  expect(() => parseSettingFlags(argv)).toThrow(
    expect.objectContaining({ code: 'setting-invalid', message: expect.stringMatching(why) }),
  )
})
