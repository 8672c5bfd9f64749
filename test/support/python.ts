/** Whether this machine has a Python that the client is for. */
import { execFileSync } from 'node:child_process';

export const hasPython = ((): boolean => {
  try {
    execFileSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
