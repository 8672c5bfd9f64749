/** Whether this machine has a Python that the client is for. */
import { execFileSync } from 'node:child_process';

export const isPythonHere = ((): boolean => {
  try {
    execFileSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Whether tests with it are run: where it is, or where its absence is a failure. */
export const hasPython = isPythonHere || process.env.TOCSIN_REQUIRE_PYTHON === '1';
