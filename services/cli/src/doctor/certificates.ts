import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { ListenerSettings, Settings } from '@forebay/config/schema'
import { type Finding, ok, problem, warning } from './finding.ts'
import type { Machine } from './machine.ts'

/** A certificate that ends sooner is warned of: renewals take days where people are in them. */
const DAYS_LEFT_MIN = 14

const DAY_MS = 86_400_000

/** Are the certificates of the listeners readable, of their keys, and valid for a while? */
export async function checkCertificates(
  machine: Machine,
  settings: Settings,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const { tls } of settings.listen) {
    if (tls !== undefined) findings.push(await checkCertificate(machine, tls))
  }
  return findings
}

async function checkCertificate(
  machine: Machine,
  { cert, key }: NonNullable<ListenerSettings['tls']>,
): Promise<Finding> {
  const [certText, keyText] = await Promise.all([machine.readText(cert), machine.readText(key)])
  if (certText === undefined || keyText === undefined) {
    const path = certText === undefined ? cert : key
    return problem('certificate', `${path} cannot be read`, 'let the user of the node read it')
  }
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(certText)
    if (!certificate.checkPrivateKey(createPrivateKey(keyText))) {
      return problem('certificate', `${key} is not the key of ${cert}`, 'name the two that match')
    }
  } catch {
    // The messages of OpenSSL quote nothing that helps.
    const what = `${cert} or ${key} is no certificate and key in PEM`
    return problem('certificate', what, 'name PEM files; a key with a password cannot be used')
  }
  return judgeTime(cert, certificate, machine.now())
}

function judgeTime(path: string, certificate: X509Certificate, nowMs: number): Finding {
  const fromMs = certificate.validFromDate.getTime()
  const toMs = certificate.validToDate.getTime()
  const end = certificate.validToDate.toISOString().slice(0, 10)
  if (nowMs < fromMs) {
    return problem('certificate', `${path} is not valid yet`, 'check the clock, or wait')
  }
  if (nowMs > toMs) return problem('certificate', `${path} ended on ${end}`, 'renew it')
  const daysLeft = Math.floor((toMs - nowMs) / DAY_MS)
  if (daysLeft < DAYS_LEFT_MIN) {
    return warning('certificate', `${path} ends on ${end}, in ${daysLeft} days`, 'renew it')
  }
  return ok('certificate', `${path} is valid until ${end}`)
}
