/** A page for people: plain HTML of our own style, without scripts or anything from elsewhere. */
import { createHash } from 'node:crypto';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.4 ui-monospace,monospace}pre{overflow:auto;padding:.75rem;border:1px solid #8884}
h2{margin-top:2.5rem}summary{cursor:pointer}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
button,input{font:inherit;padding:.4rem .8rem}label{display:block;margin:1rem 0}
:root{color-scheme:light dark}`;

/** What the content security policy of our pages allows: exactly their own style. */
export const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

/** Text that stands in HTML, between tags and in quoted attributes. */
export const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/** A whole page; `title` is text, `body` is HTML. */
export const pageOf = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body>
${body}
</body></html>
`;
