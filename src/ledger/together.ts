/** Work of many callers as one: what they give while some of it is under way goes together with the next. */

/** Resolves, for whoever gave a part, with what the work on all parts gave; rejects for all of them where it failed. */
export type Together<Part, Result> = (parts: readonly Part[]) => Promise<Result>;

interface Given<Part, Result> {
  parts: readonly Part[];
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** One `work` at a time, on `most` parts at most; what one caller gives stays together, however much it is. */
export function together<Part, Result>(work: (parts: Part[]) => Promise<Result>, most: number): Together<Part, Result> {
  const waiting: Given<Part, Result>[] = [];
  let isWorking = false;

  const takeGroup = (): Given<Part, Result>[] => {
    let size = 0;
    const end = waiting.findIndex(({ parts }, at) => {
      size += parts.length;
      return at > 0 && size > most;
    });
    return waiting.splice(0, end < 0 ? waiting.length : end);
  };
  const workOnAll = async (): Promise<void> => {
    // Not before whoever calls in the same turn has called.
    await Promise.resolve();
    while (waiting.length > 0) {
      const group = takeGroup();
      try {
        const result = await work(group.flatMap(({ parts }) => parts));
        for (const { resolve } of group) resolve(result);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    isWorking = false;
  };
  return (parts) =>
    new Promise((resolve, reject) => {
      waiting.push({ parts, resolve, reject });
      if (isWorking) return;
      isWorking = true;
      void workOnAll();
    });
}
