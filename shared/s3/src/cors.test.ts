import { describe, expect, test } from 'vitest'
import { corsHeaders, parseCors, parsePreflight, preflightHeaders, renderCors } from './cors.ts'

const RULE = `<CORSRule><ID>r</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>X-Amz-*</AllowedHeader><ExposeHeader>x-amz-request-id</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>`
const ANYONE =
  '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>'
const parse = (rules: string) =>
  parseCors(Buffer.from(`<CORSConfiguration>${rules}</CORSConfiguration>`))
const failsAs = (code: string) => expect.objectContaining({ code })
const headerOf = (flat: readonly string[], name: string): string | undefined =>
  flat[flat.indexOf(name) + 1]

test('rules are read and written', () => {
  const rules = parse(RULE + ANYONE)
  expect(rules).toHaveLength(2)
  expect(rules[0]).toEqual({
    id: 'r',
    allowedOrigins: ['https://*.example.com'],
    allowedMethods: ['GET', 'PUT'],
    allowedHeaders: ['X-Amz-*'],
    exposeHeaders: ['x-amz-request-id'],
    maxAgeSeconds: 60,
  })
  expect(parseCors(Buffer.from(renderCors(rules)))).toEqual(rules)
})

test('a bucket has 1 to 100 rules, each with an origin and a method', () => {
  expect(parse(ANYONE.repeat(100))).toHaveLength(100)
  expect(() => parse(ANYONE.repeat(101))).toThrow(failsAs('xml-malformed'))
  expect(() => parse('')).toThrow(failsAs('xml-malformed'))
  expect(() => parse('<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>')).toThrow(
    failsAs('xml-malformed'),
  )
})

test.each([
  ['<AllowedOrigin>*a*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>', 'wildcard'],
  ['<AllowedOrigin>*</AllowedOrigin><AllowedMethod>get</AllowedMethod>', 'method is get'],
  ['<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>', 'PATCH'],
  [
    '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>a b</AllowedHeader>',
    'invalid character',
  ],
])('the rule %s is refused', (rule, why) => {
  expect(() => parse(`<CORSRule>${rule}</CORSRule>`)).toThrow(why)
})

describe('a preflight', () => {
  const ask = (origin: string, method: string, headers?: string) =>
    parsePreflight({
      origin,
      'access-control-request-method': method,
      ...(headers === undefined ? {} : { 'access-control-request-headers': headers }),
    })
  const rules = parse(RULE + ANYONE)

  test('is allowed by the first rule that has origin, method and every header', () => {
    const flat = preflightHeaders(
      rules,
      ask('https://a.example.com', 'PUT', 'x-amz-date, X-AMZ-acl'),
    )
    expect(headerOf(flat, 'Access-Control-Allow-Origin')).toBe('https://a.example.com')
    expect(headerOf(flat, 'Access-Control-Allow-Methods')).toBe('GET, PUT')
    expect(headerOf(flat, 'Access-Control-Allow-Headers')).toBe('x-amz-date, x-amz-acl')
    expect(headerOf(flat, 'Access-Control-Max-Age')).toBe('60')
    expect(headerOf(flat, 'Access-Control-Allow-Credentials')).toBe('true')
    expect(headerOf(flat, 'Access-Control-Expose-Headers')).toBe('x-amz-request-id, ETag')
  })

  test('that anyone may send carries no credentials', () => {
    const flat = preflightHeaders(rules, ask('null', 'HEAD'))
    expect(headerOf(flat, 'Access-Control-Allow-Origin')).toBe('*')
    expect(headerOf(flat, 'Access-Control-Allow-Credentials')).toBe('false')
  })

  test.each([
    ['https://example.com', 'GET', undefined],
    ['https://.example.org', 'GET', undefined],
    ['https://a.example.com', 'DELETE', undefined],
    ['https://a.example.com', 'GET', 'content-type'],
    ['https://a.example.com', 'GET', 'x-amz-date,content-type'],
  ])('from %s for %s with %s is forbidden', (origin, method, headers) => {
    expect(() => preflightHeaders(rules, ask(origin, method, headers))).toThrow(
      failsAs('cors-forbidden'),
    )
  })

  test('of a bucket without rules is forbidden', () => {
    expect(() => preflightHeaders(undefined, ask('https://a', 'GET'))).toThrow('not enabled')
  })

  test('without an origin, with another method or a bad header is no preflight', () => {
    expect(() => ask('', 'GET')).toThrow(failsAs('preflight-invalid'))
    expect(() => parsePreflight({ 'access-control-request-method': 'GET' })).toThrow('Origin')
    expect(() => ask('https://a', 'get')).toThrow('Invalid Access-Control-Request-Method: get')
    expect(() => ask('https://a', 'GET', 'a,b c')).toThrow('"b c"')
  })
})

test('an answer tells a page only what a rule allows, and caches that it depends on the origin', () => {
  const rules = parse(RULE)
  const allowed = corsHeaders(rules, { origin: 'https://a.example.com', method: 'GET' })
  expect(headerOf(allowed, 'Access-Control-Allow-Origin')).toBe('https://a.example.com')
  const other = corsHeaders(rules, { origin: 'https://evil.example', method: 'GET' })
  expect(other).toEqual(['Vary', expect.stringContaining('Origin')])
  expect(corsHeaders(undefined, { origin: 'https://a', method: 'GET' })).toEqual([])
})
