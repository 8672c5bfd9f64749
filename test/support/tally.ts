/** A vitest reporter that ends every run with one line for scripts to read: `N passed, N failed`. */
import type { Reporter, TestModule } from 'vitest/node';

export default class Tally implements Reporter {
  #line = '';
  #printsAtExit = false;

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    this.#line = tally(modules, unhandled.length);
    if (this.#printsAtExit) return;
    this.#printsAtExit = true;
    // At the very end, after the other reporters' summaries and the teardown have had their say.
    process.once('exit', () => process.stdout.write(`${this.#line}\n`));
  }
}

/** A file that could not be loaded and an error outside of any test are failures too, though no test failed. */
function tally(modules: readonly TestModule[], unhandled: number): string {
  const count = { passed: 0, failed: unhandled, skipped: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') count.passed += 1;
      else if (state === 'failed') count.failed += 1;
      else count.skipped += 1;
    }
    if (module.errors().length > 0) count.failed += 1;
  }
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  return `${count.passed} passed, ${count.failed} failed${skipped}`;
}
