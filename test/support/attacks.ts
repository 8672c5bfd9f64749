/** Addresses by which people have tried to lead a server to itself: for whatever takes an address. */

/** Hosts of a URL, in every spelling of an inside address that is known to us; some carry a user name or a port. */
export const INSIDE_HOSTS: readonly string[] =
  `127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0x7f.0x0.0x0.0x1 0177.0.0.1 017700000001 0 0.0.0.0
  127.0.0.1. localhost LOCALHOST localhost. foo.localhost [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1]
  [::7f00:1] [::ffff:0:127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001:0:7f00:1::] [fe80::1]
  [fe80::1%25eth0] [fec0::1] [fc00::1] [fd00:ec2::254] [ff02::1] [100::1] [5f00::1] [3fff::1] [2001:db8::1]
  169.254.169.254 0xa9fea9fe [::ffff:a9fe:a9fe] 169.254.170.2 metadata.google.internal 100.100.100.200 168.63.129.16
  [::ffff:168.63.129.16] 192.0.0.192 10.0.0.1 172.16.0.1 192.168.0.1 3232235521 0300.0250.0.1 100.64.0.1 198.18.0.1
  192.0.2.1 192.88.99.1 224.0.0.1 240.0.0.1 255.255.255.255 ①②⑦.⓪.⓪.① 127。0。0。1 %31%32%37.0.0.1 user@127.0.0.1
  example.com@127.0.0.1 127.0.0.1#@example.com example.com:80@127.0.0.1`.split(/\s+/);

/** URLs that are none of the web, or no URLs. */
export const NO_WEB_URLS: readonly string[] = [
  'file:///etc/passwd',
  'gopher://example.com/',
  'ftp://example.com/',
  'data:text/plain,x',
  'unix:/run/x.sock',
  'blob:https://example.com/1',
  'javascript:alert(1)',
  '//example.com/',
  'example.com',
  '',
  'https://',
  `https://${'a'.repeat(300)}@x/`,
];
