/** Certificates made on the spot: an authority that nobody else knows, and what it issues; in force or not, signed or not. */
import 'reflect-metadata'; // @peculiar/x509 asks for it.
import type { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** PEM texts, and the files that hold them. */
export interface Certificate {
  cert: string;
  key: string;
  certFile: string;
  keyFile: string;
}

export interface Authority {
  ca: Certificate;
  /** For a server with these names; for a client where there are none. Its own signature alone, or out of date, where asked. */
  issue(name: string, of?: { names?: JsonGeneralName[]; selfSigned?: true; expired?: true }): Promise<Certificate>;
  remove(): void;
}

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export async function createAuthority(name: string): Promise<Authority> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-ca-'));
  let serial = 0;
  const pairOf = () => crypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const keep = async (file: string, cert: string, { privateKey }: webcrypto.CryptoKeyPair): Promise<Certificate> => {
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', privateKey)).toString('base64');
    const key = `-----BEGIN ${'PRIVATE KEY'}-----\n${der.replace(/.{64}/g, '$&\n')}\n-----END ${'PRIVATE KEY'}-----\n`;
    const files = { certFile: join(dir, `${file}.pem`), keyFile: join(dir, `${file}.key`) };
    writeFileSync(files.certFile, cert);
    writeFileSync(files.keyFile, key, { mode: 0o600 });
    return { cert, key, ...files };
  };
  const dates = (isExpired = false) => ({
    notBefore: new Date(Date.now() - 3 * DAY_MS),
    notAfter: new Date(Date.now() + (isExpired ? -DAY_MS : DAY_MS)),
  });

  const keys = await pairOf();
  const root = await X509CertificateGenerator.createSelfSigned({
    serialNumber: String(++serial).padStart(2, '0'),
    name: `CN=${name}`,
    ...dates(),
    signingAlgorithm: SIGNING,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    ca: await keep('ca', root.toString('pem'), keys),
    async issue(leaf, { names = [], selfSigned, expired } = {}) {
      const own = await pairOf();
      const certificate = await X509CertificateGenerator.create({
        serialNumber: String(++serial).padStart(2, '0'),
        subject: `CN=${leaf}`,
        issuer: selfSigned ? `CN=${leaf}` : root.subject,
        ...dates(expired),
        signingAlgorithm: SIGNING,
        publicKey: own.publicKey,
        signingKey: selfSigned ? own.privateKey : keys.privateKey,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new ExtendedKeyUsageExtension([names.length > 0 ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth]),
          ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
        ],
      });
      return keep(leaf, certificate.toString('pem'), own);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
