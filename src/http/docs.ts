/** The API for people: one plain page made from the OpenAPI document, without scripts or anything from elsewhere. */
import type { OpenApi, Operation } from './openapi.ts';
import { escaped, pageOf } from './page.ts';

/** The page. */
export function docsPage({ info, paths, components }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return pageOf(
    `${info.title} API`,
    `<h1>${escaped(info.title)} API ${escaped(info.version)}</h1>
<p>${escaped(info.description)} The document behind this page: <a href="/openapi.json">openapi.json</a>.</p>
<ul>${operations.map(({ path, method, operation }) => `<li><a href="#${operation.operationId}"><code>${method.toUpperCase()} ${escaped(path)}</code></a> ${escaped(operation.summary)}</li>`).join('\n')}</ul>
${operations.map(({ path, method, operation }) => section(path, method, operation)).join('\n')}
<h2>Schemas</h2>
${Object.entries(components.schemas)
  .map(([name, schema]) => folded(name, schema))
  .join('\n')}`,
  );
}

function section(
  path: string,
  method: string,
  { operationId, summary, description, parameters = [], requestBody, responses }: Operation,
): string {
  const rows = parameters.map(
    ({ name, in: where, required, description: meaning = '' }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${where}${required ? ', required' : ''}</td><td>${escaped(meaning)}</td></tr>`,
  );
  const bodies = Object.entries(requestBody?.content ?? {}).map(([media, { schema }]) =>
    folded(`Body, ${media}`, schema),
  );
  const answers = Object.entries(responses).map(([status, { description: meaning, content }]) => {
    const [[media, { schema }] = ['', { schema: {} }]] = Object.entries(content ?? {});
    return content && Number(status) < 400
      ? folded(`${status} ${meaning}, ${media}`, schema)
      : `<li>${status} ${escaped(meaning)}</li>`;
  });
  return `<h2 id="${operationId}"><code>${method.toUpperCase()} ${escaped(path)}</code></h2>
<p><b>${escaped(summary)}.</b> ${escaped(description ?? '')}</p>
${rows.length > 0 ? `<table>${rows.join('')}</table>` : ''}${bodies.join('')}<ul>${answers.join('')}</ul>`;
}

const folded = (name: string, schema: unknown): string =>
  `<details><summary>${escaped(name)}</summary><pre>${escaped(JSON.stringify(schema, null, 2))}</pre></details>`;
