/** A caller of the API: JSON in, JSON out, the key in the header. */

export interface Reply {
  status: number;
  headers: Headers;
  /** Parsed where it is JSON. */
  body: unknown;
  text: string;
}

export function createApiClient(url: string, key: string) {
  const call = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  };
  return {
    call,
    /** The body of an answer that is a success; throws with what was answered instead. */
    async taken<Body>(method: string, path: string, body?: unknown): Promise<Body> {
      const reply = await call(method, path, body);
      if (reply.status >= 300) throw new Error(`${method} ${path} was answered ${reply.status}: ${reply.text}`);
      return reply.body as Body;
    },
  };
}
