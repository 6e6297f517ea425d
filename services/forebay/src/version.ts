/** Version of the product, as `/v1/forebay/status` and the metrics say it. */
export const VERSION = '0.1.0'
