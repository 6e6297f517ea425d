/** Limits that several packages share. Each is stated once, with the reason for its value. */

/** Longest object key, bytes of UTF-8 (S3 API). */
export const KEY_BYTES_MAX = 1024

/** Parts of one multipart upload (S3 API): numbers 1..10,000. */
export const PARTS_MAX = 10_000

/** Largest body of one PUT or one part, bytes (S3 API: 5 GiB). */
export const PUT_BYTES_MAX = 5 * 1024 ** 3

/** Largest object, bytes (S3 API: 10,000 parts of 5 GiB). */
export const OBJECT_BYTES_MAX = PARTS_MAX * PUT_BYTES_MAX

/** Smallest part that is not the last one, bytes (S3 API: 5 MiB). */
export const PART_BYTES_MIN = 5 * 1024 ** 2

/** User metadata of one object, bytes of names and values together (S3 API: 2 KiB). */
export const METADATA_BYTES_MAX = 2048

/** Names in one page of a listing (S3 API). */
export const LIST_PAGE_MAX = 1000

/** Keys in one DeleteObjects request (S3 API). */
export const DELETE_KEYS_MAX = 1000

/** XML request body, bytes: 1,000 keys of 1,024 escaped bytes fit; parsing stays under 0.5 s. */
export const XML_BODY_BYTES_MAX = 1.5 * 1024 ** 2

/** JSON request body, bytes. */
export const JSON_BODY_BYTES_MAX = 1024 ** 2

/** Request line and headers together, bytes. */
export const HEADER_BYTES_MAX = 16 * 1024

/** Slices in which bodies move between file and socket, bytes (datapath: the cheapest size). */
export const PUMP_SLICE_BYTES = 256 * 1024
