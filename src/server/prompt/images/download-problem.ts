/** What went wrong with a download, by the codes of Node and undici: nothing of how this server is connected. */
const PROBLEMS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host is not known',
  EAI_AGAIN: 'its host cannot be looked up now',
  ECONNREFUSED: 'its host refused the connection',
  ECONNRESET: 'its host closed the connection',
  UND_ERR_SOCKET: 'its host closed the connection',
  EHOSTUNREACH: 'its host cannot be reached',
  ENETUNREACH: 'its host cannot be reached',
  ETIMEDOUT: 'its host did not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'its host did not answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'its host did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'its host did not answer in time',
  UND_ERR_HEADERS_OVERFLOW: 'its host answered with too many headers',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'it ended early',
  CERT_HAS_EXPIRED: 'the certificate of its host has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate of its host is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate of its host is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate of its host is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate of its host is for another name',
};

/** Half a sentence for the client. */
export function downloadProblem(error: unknown): string {
  const code: unknown = Object(error).code;
  return (typeof code === 'string' ? PROBLEMS[code] : undefined) ?? 'the connection failed';
}
