/** Kinds of news by type of event, as people write them: what mail has templates for. */

/** `productionOutage`, `production_outage` and `production.outage` are one type: the words count. */
export const plain = (type: string): string => type.toLowerCase().replace(/[_.:\-/\s]/g, '');

/** Which of the kinds an event of this type is of, by its name before by a pattern (`deploy*`); undefined for none. */
export function kindOfType<Kind extends { kind: string }>(type: string, kinds: readonly Kind[]): Kind | undefined {
  const words = plain(type);
  const named = kinds.map((one) => ({ one, kind: plain(one.kind) }));
  const found =
    named.find(({ kind }) => kind === words) ??
    named.find(({ kind }) => kind.endsWith('*') && kind.length > 1 && words.startsWith(kind.slice(0, -1)));
  return found?.one;
}
