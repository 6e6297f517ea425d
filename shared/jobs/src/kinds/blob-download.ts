import { Type } from 'typebox'
import { defineKind } from '../kind.ts'

/** More connections than a store answers one client on pay nowhere. */
const CONNECTIONS_MAX = 128

/** Smaller segments cost more waiting than they gain; larger ones are no segments. */
const SEGMENT_BYTES_MIN = 1024 ** 2
const SEGMENT_BYTES_MAX = 1024 ** 3

export const BLOB_DOWNLOAD = defineKind({
  name: 'blob-download',
  wireName: 'blob-download',
  doc: 'Brings one large object into the cache over several connections.',
  bucket: 'required',
  need: 'read',
  args: Type.Object(
    {
      key: Type.String({ minLength: 1, maxLength: 1024, description: 'The key of the object.' }),
      latest: Type.Optional(
        Type.Boolean({
          description:
            'Asks the store about an object that is cached, and fetches a newer version.',
        }),
      ),
      connections: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: CONNECTIONS_MAX,
          description:
            'Connections at once at most; never more than the node allows for one object, which is the default.',
        }),
      ),
      segmentBytes: Type.Optional(
        Type.Integer({
          minimum: SEGMENT_BYTES_MIN,
          maximum: SEGMENT_BYTES_MAX,
          description: 'Bytes that a connection asks for at a time; 8 MiB by default.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
})
