/** What Temporal's server has counted as billable actions (docs.temporal.io/cloud/actions), by its own counter `action`. */

/** The actions so far in a namespace by their type, as the server's metrics have them: about a second old. */
export async function countedActions(metricsUrl: string, namespace: string): Promise<Record<string, number>> {
  const response = await fetch(metricsUrl);
  const byType: Record<string, number> = {};
  for (const line of (await response.text()).split('\n')) {
    const [, labels = '', value = '0'] = /^action\{([^}]*)\} (\S+)$/.exec(line) ?? [];
    // The server's metrics know no hyphen.
    if (!labels.includes(`namespace="${namespace.replaceAll('-', '_')}"`)) continue;
    const type = /action_type="([^"]*)"/.exec(labels)?.[1] ?? '';
    byType[type] = (byType[type] ?? 0) + Number(value);
  }
  return byType;
}
