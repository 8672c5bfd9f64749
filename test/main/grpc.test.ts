/** What the environment says of the gRPC door. */
import { describe, expect, it } from 'vitest';
import { grpcSettings } from '../../src/main/grpc.ts';

describe('the gRPC door', () => {
  it('is off unless a port is set, and then at home', () => {
    expect(grpcSettings({})).toBe(undefined);
    expect(grpcSettings({ GRPC_PORT: '' })).toBe(undefined);
    expect(grpcSettings({ GRPC_PORT: '0' })).toEqual({ host: '127.0.0.1', port: 0 });
    expect(grpcSettings({ GRPC_PORT: '9090', GRPC_HOST: '0.0.0.0', GRPC_TLS_CERT: 'c', GRPC_TLS_KEY: 'k' })).toEqual({
      host: '0.0.0.0',
      port: 9090,
      tls: { cert: 'c', key: 'k' },
    });
  });

  it.each([
    [{ GRPC_PORT: 'x' }, 'GRPC_PORT is "x": it must be a number from 0 to 65535'],
    [{ GRPC_PORT: '70000' }, 'GRPC_PORT is "70000"'],
    [{ GRPC_PORT: '1', GRPC_TLS_CERT: 'c' }, 'belong together'],
    [{ GRPC_PORT: '1', GRPC_TLS_KEY: 'k' }, 'belong together'],
    [
      { GRPC_PORT: '1', GRPC_TLS_CERT_FILE: '/nowhere' },
      'GRPC_TLS_CERT: the file in GRPC_TLS_CERT_FILE cannot be read',
    ],
  ])('says what is wrong with %o', (env, words) => {
    expect(() => grpcSettings(env)).toThrow(words);
  });
});
