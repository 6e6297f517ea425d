import { list, text } from './setting.ts'

/** Settings of the events that stores send. */
export const EVENTS_SCHEMA = {
  tokens: list({
    of: text({
      pattern: /^[\x21-\x7e]{16,256}$/,
      allowed: '16..256 printable characters',
      secret: true,
      doc: 'A token.',
    }),
    max: 16,
    doc: 'Tokens by which event services of stores are known, as "Authorization: Bearer" or the query token. Without any, events come from this host or from admins alone.',
  }),
} as const
