/** What the environment says of the gRPC door. */
import type { GrpcSettings } from '../listeners/grpc.ts';
import { type Env, setting } from './foundation.ts';

const HOST = '127.0.0.1';

/** GRPC_PORT and its like; undefined where it is not set, which is off. Throws with what is wrong. */
export function grpcSettings(env: Env): GrpcSettings | undefined {
  const written = setting(env, 'GRPC_PORT');
  if (written === undefined) return undefined;
  const port = Number(written);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`GRPC_PORT is ${JSON.stringify(written)}: it must be a number from 0 to 65535`);
  const [cert, key] = [setting(env, 'GRPC_TLS_CERT'), setting(env, 'GRPC_TLS_KEY')];
  if ((cert === undefined) !== (key === undefined))
    throw new Error('GRPC_TLS_CERT and GRPC_TLS_KEY belong together: one of them is not set');
  return {
    host: setting(env, 'GRPC_HOST') ?? HOST,
    port,
    ...(cert !== undefined && key !== undefined && { tls: { cert, key } }),
  };
}
