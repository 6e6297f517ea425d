import { styleText } from 'node:util'

/** What the start says about itself. */
export interface BannerFacts {
  readonly endpoint: string
  readonly dataDir: string
  readonly region: string
  readonly openMode: boolean
  /** A bucket to show in the examples. */
  readonly exampleBucket: string
  readonly startedInMs: number
}

/** The text of a start: where it answers, and lines to copy for the three usual clients. */
export function renderBanner(facts: BannerFacts): string {
  const { endpoint, dataDir, region, openMode, exampleBucket } = facts
  const key = openMode ? 'any' : '<access key>'
  const secret = openMode ? 'any' : '<secret key>'
  const heading = (text: string): string => styleText('bold', text)
  return [
    '',
    `${heading('Forebay is ready')} at ${endpoint}/  (S3 here and under /s3, AIStore's API under /v1)`,
    `${heading('Console')} at ${endpoint}/ui/`,
    `data in ${dataDir}; started in ${(facts.startedInMs / 1000).toFixed(2)} s; Ctrl-C stops it`,
    '',
    heading('aws cli'),
    `  export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=${key} AWS_SECRET_ACCESS_KEY=${secret} AWS_REGION=${region}`,
    `  aws s3 mb s3://${exampleBucket} && aws s3 cp README.md s3://${exampleBucket}/ && aws s3 ls s3://${exampleBucket}/`,
    '',
    heading('boto3'),
    `  boto3.client('s3', endpoint_url='${endpoint}', aws_access_key_id='${key}', aws_secret_access_key='${secret}', region_name='${region}')`,
    '',
    heading('forebay'),
    `  npx forebay bucket add s3://<bucket at AWS>        put the cache in front of a bucket`,
    `  npx forebay status`,
    '',
  ].join('\n')
}
