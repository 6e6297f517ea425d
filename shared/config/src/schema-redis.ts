import { optional, path, text } from './setting.ts'

const REDIS_URL = text({
  pattern: /^(auto|rediss?(\+(sentinel|cluster))?:\/\/.+)$/,
  allowed:
    'auto, redis://[user:password@]host[:port][/database], redis+sentinel://host:port,.../master, redis+cluster://host:port,...; rediss for TLS',
  // It may hold a password.
  secret: true,
  doc: 'Redis or Valkey that keeps the jobs, for any number of nodes; auto starts the valkey-server or redis-server that is found on PATH, for this node.',
})

/** Where Redis or Valkey is, as the variable `FOREBAY_REDIS_URL` says it: parts of `SCHEMA`. */
export const REDIS_SCHEMA = {
  redisUrl: optional(
    { ...REDIS_URL, secrets: (url) => [...REDIS_URL.secrets(url), ...passwordsIn(url)] },
    'jobs are kept in the data directory',
  ),
  redisTls: {
    caFile: optional(
      path({ doc: 'Certificates (PEM) that sign the one of Redis, for rediss:// URLs.' }),
      "the system's",
    ),
    certFile: optional(path({ doc: 'Certificate (PEM) by which Redis knows this node.' })),
    keyFile: optional(path({ doc: 'Key (PEM) of redisTls.certFile.' })),
  },
} as const

/** The password of a URL by itself, as it is written there and as it is sent: errors may quote it. */
function passwordsIn(url: string): readonly string[] {
  const written = /^[a-z+]+:\/\/[^@/:]*:([^@/]+)@/.exec(url)?.[1]
  if (written === undefined) return []
  try {
    return [...new Set([written, decodeURIComponent(written)])]
  } catch {
    return [written]
  }
}
