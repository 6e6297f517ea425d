import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Random } from '../faults/random.ts'
import { ChunkDecoder } from './connection.ts'
import { firstDifference, makeContent } from './content.ts'
import { nextGapMs, parseSizes, shuffled, sizeAt } from './distributions.ts'
import { HISTOGRAM_ERROR, HISTOGRAM_MAX_US, Histogram } from './histogram.ts'
import { AnswerCheck, KeySpace } from './keys.ts'
import { durationMs, parseLoaderOptions, UsageError } from './options.ts'

describe('a histogram', () => {
  test('tells every quantile at most 1/128 too large and never too small', () => {
    const times = fc.array(fc.integer({ min: 0, max: HISTOGRAM_MAX_US }), { minLength: 1 })
    fc.assert(
      fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
        const histogram = new Histogram()
        for (const value of values) histogram.record(value)
        const sorted = values.toSorted((one, other) => one - other)
        const exact = sorted[Math.max(1, Math.ceil(share * values.length)) - 1] ?? 0
        const told = histogram.quantileUs(share)
        expect(told).toBeGreaterThanOrEqual(exact)
        expect(told).toBeLessThanOrEqual(exact + exact * HISTOGRAM_ERROR)
      }),
    )
  })

  test('of two is what one of all would be', () => {
    const [one, other, all] = [new Histogram(), new Histogram(), new Histogram()]
    for (let us = 1; us < 100_000; us += 37) {
      const half = us % 2 === 0 ? one : other
      half.record(us)
      all.record(us)
    }
    one.add(other)
    const told = (histogram: Histogram) => [
      histogram.count,
      histogram.minUs,
      histogram.meanUs,
      histogram.maxUs,
      ...[0, 0.5, 0.99, 1].map((share) => histogram.quantileUs(share)),
    ]
    expect(told(one)).toEqual(told(all))
  })

  test('without values tells 0', () => {
    const histogram = new Histogram()
    expect([histogram.quantileUs(0.99), histogram.minUs, histogram.meanUs]).toEqual([0, 0, 0])
  })
})

describe('sizes', () => {
  const draw = (text: string, count = 20_000): readonly number[] => {
    const random = new Random('sizes', text)
    const sizes = parseSizes(text)
    return Array.from({ length: count }, () => sizeAt(sizes, random.next(), random.next()))
  }
  const share = (sizes: readonly number[], is: (size: number) => boolean): number =>
    sizes.filter(is).length / sizes.length

  test('uniform ones lie in their range, half of them below its middle', () => {
    const sizes = draw('uniform:4k-1m')
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(4096)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024 ** 2)
    expect(share(sizes, (size) => size < (4096 + 1024 ** 2) / 2)).toBeCloseTo(0.5, 1)
  })

  test('half of the lognormal ones lie below the median, 84 of 100 below one deviation', () => {
    const sizes = draw('lognormal:64k,1.5')
    expect(share(sizes, (size) => size < 65_536)).toBeCloseTo(0.5, 1)
    expect(share(sizes, (size) => size < 65_536 * Math.exp(1.5))).toBeCloseTo(0.841, 1)
  })

  test('those of a list come by their weights', () => {
    const sizes = draw('list:4k*70,1m*30')
    expect(new Set(sizes)).toEqual(new Set([4096, 1024 ** 2]))
    expect(share(sizes, (size) => size === 4096)).toBeCloseTo(0.7, 1)
  })

  test.each(['4k', 'uniform:1m-4k', 'lognormal:64k', 'lognormal:64k,0', 'list:4k*0', 'zipf:3'])(
    '%s is refused',
    (text) => {
      expect(() => parseSizes(text)).toThrow(/want|range|deviation|weight|distribution/)
    },
  )
})

describe('arrivals', () => {
  const gaps = (arrival: 'poisson' | 'constant') => {
    const random = new Random('gaps')
    return Array.from({ length: 20_000 }, () => nextGapMs(arrival, 100, random))
  }

  test('of Poisson have the mean of the rate and the spread of an exponential', () => {
    const all = gaps('poisson')
    const mean = all.reduce((sum, gap) => sum + gap, 0) / all.length
    expect(Math.abs(mean - 10)).toBeLessThan(0.3)
    expect(Math.abs(all.filter((gap) => gap > 10).length / all.length - Math.exp(-1))).toBeLessThan(
      0.02,
    )
  })

  test('that are constant are all alike', () => {
    expect(new Set(gaps('constant'))).toEqual(new Set([10]))
  })
})

test('a shuffled epoch has every object once, in an order that the seed decides', () => {
  const order = shuffled(1000, new Random('epoch', 7))
  expect([...order].sort((one, other) => one - other)).toEqual([...Array(1000).keys()])
  expect(order).toEqual(shuffled(1000, new Random('epoch', 7)))
  expect(order).not.toEqual(shuffled(1000, new Random('epoch', 8)))
})

describe('content', () => {
  const stamp = { tag: [1234, 5678], version: 3 } as const

  test('any part of a body is recognised at its place, and any flipped byte is found', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5000 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.nat(),
        (offset, length, at) => {
          const part = makeContent(stamp, offset, length)
          expect(part.equals(makeContent(stamp, 0, offset + length).subarray(offset))).toBe(true)
          expect(firstDifference(part, stamp, offset)).toBeUndefined()
          const place = at % length
          part[place] = (part[place] ?? 0) ^ 0x40
          expect(firstDifference(part, stamp, offset)).toBe(offset + place)
        },
      ),
    )
  })

  test('another version, object or place differs within the first cells', () => {
    const body = makeContent(stamp, 0, 64)
    expect(firstDifference(body, { ...stamp, version: 4 }, 0)).toBe(8)
    expect(firstDifference(body, { ...stamp, tag: [1235, 5678] }, 0)).toBe(0)
    expect(firstDifference(body, stamp, 16)).toBe(16 + 12)
  })
})

describe('what a reader may be given', () => {
  const sizes = parseSizes('uniform:100-200')
  const open = () => new KeySpace({ count: 1, seed: 1, prefix: 'load/', sizes })
  const write = (keys: KeySpace) => {
    const change = keys.begin(0, 'write')
    if (change === undefined) throw new Error('the object is busy')
    return change
  }
  const bodyOf = (keys: KeySpace, version: number): Buffer =>
    makeContent(keys.stamp(0, version), 0, keys.sizeBytes(0, version))
  const verdict = (keys: KeySpace, floor: number, body: Buffer | undefined) => {
    const check = new AnswerCheck(keys, { index: 0, floor }, { everyByte: true })
    if (body !== undefined) for (const byte of body) check.take(Buffer.of(byte))
    return check.finish(body === undefined ? 404 : 200)
  }

  test('the version that was acknowledged, or one that is under way, and no older one', () => {
    const keys = open()
    keys.acknowledge(write(keys))
    const { floor } = keys.claim(0)
    const second = write(keys)
    expect(verdict(keys, floor, bodyOf(keys, 1))).toBeUndefined()
    expect(verdict(keys, floor, bodyOf(keys, 2))).toBeUndefined()
    keys.acknowledge(second)
    expect(verdict(keys, keys.claim(0).floor, bodyOf(keys, 1))).toMatch(
      /is not version 2 from byte/,
    )
  })

  test('nothing, once a removal was begun, and nothing else once it is acknowledged', () => {
    const keys = open()
    expect(verdict(keys, 0, undefined)).toBeUndefined()
    keys.acknowledge(write(keys))
    expect(verdict(keys, 1, undefined)).toMatch(/absent/)
    const removal = keys.begin(0, 'removal')
    if (removal === undefined) throw new Error('the object is busy')
    expect(verdict(keys, 1, undefined)).toBeUndefined()
    expect(verdict(keys, 1, bodyOf(keys, 1))).toBeUndefined()
    keys.acknowledge(removal)
    expect(verdict(keys, keys.claim(0).floor, bodyOf(keys, 1))).toMatch(/removed/)
  })

  test('no mixture of two versions, and no body cut short', () => {
    const keys = open()
    keys.acknowledge(write(keys))
    write(keys)
    const mixed = Buffer.concat([bodyOf(keys, 1).subarray(0, 50), bodyOf(keys, 2).subarray(50)])
    expect(verdict(keys, 1, mixed)).toMatch(/is not version/)
    expect(verdict(keys, 1, bodyOf(keys, 1).subarray(0, -1))).toMatch(/bytes instead of/)
  })

  test('an object whose change was never answered is not changed again', () => {
    const keys = open()
    write(keys)
    expect(keys.begin(0, 'write')).toBeUndefined()
  })
})

describe('chunked answers', () => {
  const whole = Buffer.from('5;x=1\r\nhello\r\n3\r\nyou\r\n0\r\nx-trailer: 1\r\n\r\n')

  test('are read wherever they are cut', () => {
    for (let cut = 1; cut < whole.length; cut += 1) {
      const decoder = new ChunkDecoder()
      let text = ''
      const take = (bytes: Buffer) => decoder.take(bytes, (part) => (text += part.toString()))
      expect(take(whole.subarray(0, cut))).toBe('more')
      expect(take(whole.subarray(cut))).toBe('whole')
      expect(text).toBe('helloyou')
    }
  })

  test.each(['zz\r\n', '5\r\nhelloX\r\n', `${whole}more`])('%j is broken', (text) => {
    expect(new ChunkDecoder().take(Buffer.from(text), () => undefined)).toBe('broken')
  })
})

describe('options', () => {
  const parse = (line: string) => parseLoaderOptions(line === '' ? [] : line.split(' '))

  test('of aisloader are taken with one dash or two', () => {
    const options = parse(
      '--bucket=ais://b -duration 1m30s --numworkers 4 -pctput 20 -minsize 4k -maxsize 1m -cleanup=true -seed 5 -statsinterval 3 -ip 10.0.0.1 -port 51080',
    )
    expect(options).toMatchObject({
      api: 'ais',
      bucket: 'b',
      provider: 'ais',
      durationMs: 90_000,
      workers: 4,
      sizes: { kind: 'uniform', minBytes: 4096, maxBytes: 1024 ** 2 },
      cleanup: true,
      seed: 5,
      statsIntervalMs: 3000,
    })
    expect(options?.percent.put).toBe(20)
    expect(options?.endpoints.map(String)).toEqual(['http://10.0.0.1:51080/'])
  })

  test('name several servers, and thresholds per kind', () => {
    const options = parse('-bucket b -s3endpoint a:1,https://c -max-p99 get=50ms,put=0.2s')
    expect(options?.endpoints.map(String)).toEqual(['http://a:1/', 'https://c/'])
    expect(options?.thresholds.latencies).toEqual([
      { share: 0.99, name: 'p99', kind: 'get', mostMs: 50 },
      { share: 0.99, name: 'p99', kind: 'put', mostMs: 200 },
    ])
  })

  test('each of several loaders has names of its own', () => {
    expect(parse('-bucket b -loaderid 1 -loadernum 2')?.prefix).toBe('load/loader-1/')
  })

  test('help is no run', () => {
    expect(parse('-help')).toBeUndefined()
  })

  test.each([
    ['', '-bucket is needed'],
    ['-bucket b -pctputt 3', 'there is no option -pctputt; is -pctput'],
    ['-bucket b extra', '"extra" is no option'],
    ['-bucket b -pctput 60 -pctlist 60', 'add up to 120'],
    ['-bucket b -duration 3x', '"3x" is no time'],
    ['-bucket b -rate 0', 'a number above 0'],
    ['-bucket b -arrival even', 'poisson, constant'],
    ['-bucket b -minsize 2m -maxsize 1m', '-maxsize is less'],
    ['-bucket b -sizes uniform:1-2 -minsize 1', 'leave out -minsize'],
    ['-bucket b -duration 0', 'needs an end'],
    ['-bucket b -existing -pctput 1', 'reads only'],
    ['-bucket b -num-epochs 1 -rate 5', 'leave out -rate'],
    ['-bucket b -partsize 1m', '5m or more'],
    ['-bucket b -s3endpoint a -ip b', 'give one'],
    ['-bucket b -max-p99 reads=1s', '-max-p99 takes get, put'],
    ['-bucket b -bucket c', 'given twice'],
    ['-bucket', '-bucket needs a value'],
    ['-bucket b -s3endpoint http://a/path', 'no address'],
    ['-bucket b -loaderid 2 -loadernum 2', 'not below'],
  ])('%j is refused with a reason', (line, reason) => {
    expect(() => parse(line)).toThrow(UsageError)
    expect(() => parse(line)).toThrow(reason)
  })

  test('times are written as Go writes them, or in seconds', () => {
    expect(['1m30s', '5ms', '100us', '2', '0'].map((text) => durationMs('timeout', text))).toEqual([
      90_000, 5, 0.1, 2000, 0,
    ])
  })
})
