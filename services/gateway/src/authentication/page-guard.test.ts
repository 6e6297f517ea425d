import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { PageGuard } from './page-guard.ts'

function message(method: string, headers: Readonly<Record<string, string>>): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  request.method = method
  Object.assign(request.headers, headers)
  return request
}

const open = new PageGuard({ open: true, domains: ['s3.example.com'] })
const host = '127.0.0.1:8080'
const foreign = { host, origin: 'https://evil.example' }

describe('the native door in open mode', () => {
  const verdict = (headers: Readonly<Record<string, string>>, method = 'POST'): string => {
    try {
      open.checkNative(message(method, headers))
      return 'passes'
    } catch {
      return 'refused'
    }
  }

  test('a change that a page of others asks for is refused, whatever its method', () => {
    const methods = ['POST', 'PUT', 'PATCH', 'DELETE']
    expect(methods.map((method) => verdict(foreign, method))).toEqual(methods.map(() => 'refused'))
  })

  test('a page without an origin, such as a file or a sandbox, is one of others', () => {
    expect(verdict({ host, origin: 'null' })).toBe('refused')
    expect(verdict({ host, origin: '' })).toBe('refused')
  })

  test('another port of this machine is another origin', () => {
    expect(verdict({ host, origin: 'http://127.0.0.1:3000' })).toBe('refused')
  })

  test('our own page passes, under each name that can only be ours', () => {
    const names = ['127.0.0.1:8080', 'localhost:8080', '[::1]:8080', 'a.s3.example.com']
    const passed = names.map((name) => verdict({ host: name, origin: `http://${name}` }))
    expect(passed).toEqual(names.map(() => 'passes'))
  })

  test('a name that somebody let point to this machine is refused', () => {
    expect(verdict({ host: 'evil.example:8080', origin: 'http://evil.example:8080' })).toBe(
      'refused',
    )
    expect(verdict({ host: 'evils3.example.com', origin: 'http://evils3.example.com' })).toBe(
      'refused',
    )
  })

  test('programs send no origin and pass; so do reads, whose answers a page cannot see', () => {
    expect(verdict({ host })).toBe('passes')
    expect(verdict({ host: 'cache' })).toBe('passes')
    expect(verdict(foreign, 'GET')).toBe('passes')
  })
})

describe('the S3 door in open mode', () => {
  const check = (method: string, headers: Readonly<Record<string, string>>, allowed = false) =>
    open.checkS3(message(method, headers), () => allowed)

  test('a form of a page of others needs a rule of the bucket', () => {
    expect(() => check('POST', foreign)).toThrow('another origin')
    expect(() => check('POST', foreign, true)).not.toThrow()
  })

  test('what browsers ask about beforehand is left to that question', () => {
    expect(() => check('PUT', foreign)).not.toThrow()
  })

  test('a name that points here is not asked about, and refused', () => {
    const rebound = { host: 'evil.example', origin: 'http://evil.example' }
    expect(() => check('PUT', rebound)).toThrow('another origin')
  })
})

test('the console is not shown under a name that may be of somebody else', () => {
  expect(() => open.checkConsole(message('GET', { host: 'evil.example' }))).toThrow('no such name')
  expect(() => open.checkConsole(message('GET', { host: 'localhost' }))).not.toThrow()
})

test('a node that other machines reach without keys has any name, and still no foreign pages', () => {
  const insecure = new PageGuard({ open: true, domains: 'any' })
  const named = { host: 'cache:8080', origin: 'http://cache:8080' }
  expect(() => insecure.checkConsole(message('GET', named))).not.toThrow()
  expect(() => insecure.checkNative(message('POST', named))).not.toThrow()
  expect(() => insecure.checkNative(message('POST', { ...named, ...foreign }))).toThrow('origin')
})

test('with users a signature is what counts', () => {
  const users = new PageGuard({ open: false, domains: [] })
  expect(() => users.checkNative(message('POST', foreign))).not.toThrow()
  expect(() => users.checkS3(message('POST', foreign), () => false)).not.toThrow()
  expect(() => users.checkConsole(message('GET', { host: 'cache.example' }))).not.toThrow()
})
