import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { HttpSettings } from './settings.ts';

/** Interval at which Node checks for late requests. Its default is too long for short limits. */
const LONGEST_CHECK_INTERVAL_MS = 5_000;
const TLS_HANDSHAKE_MS = 10_000;

type ServerSettings = Pick<
  HttpSettings,
  | 'headersTimeoutMs'
  | 'keepAliveTimeoutMs'
  | 'maxConnections'
  | 'maxHeaderBytes'
  | 'requestTimeoutMs'
  | 'tls'
>;

/** Creates Node's server with all limits of a connection, over TLS when there is a certificate. */
export function createNodeServer(listener: RequestListener, settings: ServerSettings): Server {
  const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, maxHeaderBytes } = settings;
  const options: ServerOptions = {
    headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    maxHeaderSize: maxHeaderBytes,
    connectionsCheckingInterval: Math.min(
      LONGEST_CHECK_INTERVAL_MS,
      Math.ceil(Math.min(headersTimeoutMs, requestTimeoutMs) / 4),
    ),
  };
  const server =
    settings.tls === null
      ? createServer(options, listener)
      : createTlsServer(
          { ...options, ...settings.tls, handshakeTimeout: TLS_HANDSHAKE_MS },
          listener,
        );
  server.maxConnections = settings.maxConnections;
  return server;
}
