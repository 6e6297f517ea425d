import { optional, path, text } from './setting.ts'

/** Where Redis or Valkey is, as the variable `FOREBAY_REDIS_URL` says it: parts of `SCHEMA`. */
export const REDIS_SCHEMA = {
  redisUrl: optional(
    text({
      pattern: /^(auto|rediss?(\+(sentinel|cluster))?:\/\/.+)$/,
      allowed:
        'auto, redis://[user:password@]host[:port][/database], redis+sentinel://host:port,.../master, redis+cluster://host:port,...; rediss for TLS',
      // It may hold a password.
      secret: true,
      doc: 'Redis or Valkey that keeps the jobs, for any number of nodes; auto starts the valkey-server or redis-server that is found on PATH, for this node.',
    }),
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
