import { count, list, optional, path, text, url } from './setting.ts'

/** Settings of what works in the background by order: part of `SCHEMA`. */
export const JOBS_SCHEMA = {
  pagesAtOnce: count({
    min: 1,
    max: 64,
    default: 4,
    doc: 'Pages of up to 1,000 items that this node works on at once, of all jobs together.',
  }),
  itemsAtOnce: count({
    min: 1,
    max: 1000,
    default: 64,
    doc: 'Items that this node works on at once, of all jobs together; fewer while users would wait for it.',
  }),
  download: {
    allow: list({
      of: text({
        pattern: /^[A-Za-z0-9.:*/-]{1,255}$/,
        allowed: 'a host name, an address or a CIDR range',
        doc: 'A host or network.',
      }),
      max: 1000,
      doc: 'Hosts, addresses and CIDR ranges that are not public and from which everybody who may write to a bucket may download all the same.',
    }),
  },
  hub: {
    endpoint: optional(
      url({ doc: 'Where downloads from HuggingFace go.' }),
      'https://huggingface.co',
    ),
    tokenVariables: list({
      of: text({
        pattern: /^[A-Z][A-Z0-9_]{0,63}$/,
        allowed: 'the name of a variable: upper-case letters, digits and _',
        doc: 'A name.',
      }),
      max: 16,
      doc: 'Variables of the node in which the token of a download from HuggingFace may be; an order names one of them.',
    }),
  },
  promote: {
    folders: list({
      of: path({ doc: 'A folder.' }),
      max: 100,
      doc: 'Folders of this node, without symbolic links on the way, whose files administrators of a bucket may make objects of.',
    }),
  },
} as const
