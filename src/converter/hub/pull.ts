import { mkdir, statfs } from 'node:fs/promises';
import {
  downloadFile,
  HubApiError,
  type ListFileEntry,
  listFiles,
  modelInfo,
} from '@huggingface/hub';
import { fetchFile, missingBytes, type RemoteFile } from './fetch-file.ts';
import { explain, HubError, type HubRepository } from './hub-error.ts';

export const HUB_URL = 'https://huggingface.co';
const RETRY_DELAYS_MS = [1_000, 2_000, 4_000, 8_000, 16_000];
const FINAL_STATUSES = new Set([400, 401, 403, 404, 416]);

export interface PullProgress {
  /** Bytes that this run has fetched, and will fetch in total. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly file: string;
}

export interface PullOptions {
  /** `owner/name` on the hub. */
  readonly id: string;
  readonly outDir: string;
  /** Branch, tag or commit. */
  readonly revision?: string;
  readonly hubUrl?: string;
  /** Needed for private and gated repositories. */
  readonly token?: string | undefined;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly retryDelaysMs?: readonly number[];
}

export interface PulledCheckpoint {
  /** Commit of all files. */
  readonly commit: string;
  readonly files: readonly RemoteFile[];
  /** Bytes that this run fetched. */
  readonly fetchedBytes: number;
}

interface Source extends HubRepository {
  readonly token: string | undefined;
}

/**
 * Downloads the files of a checkpoint that the converter needs: safetensors, configs, tokenizer, templates. It resumes an
 * interrupted run and checks every file against the hub's checksum.
 * @throws HubError that says what to do
 */
export async function pull(options: PullOptions): Promise<PulledCheckpoint> {
  const { id, outDir, revision = 'main', hubUrl = HUB_URL, token } = options;
  const source: Source = { id, hubUrl, revision, token };
  try {
    const commit = await resolveCommit(source);
    const pinned = { ...source, revision: commit };
    const files = await selectFiles(pinned);
    await mkdir(outDir, { recursive: true });
    const fetchedBytes = await fetchFiles(files, { ...options, source: pinned });
    return { commit, files, fetchedBytes };
  } catch (error) {
    throw explain(error, source);
  }
}

/** All files come from one commit: a branch could move during the download. */
async function resolveCommit(source: Source): Promise<string> {
  const info = await modelInfo({
    name: source.id,
    revision: source.revision,
    hubUrl: source.hubUrl,
    additionalFields: ['sha'],
    ...credentials(source),
  });
  return info.sha;
}

async function selectFiles(source: Source): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  const { id, revision, hubUrl } = source;
  const entries = listFiles({ repo: id, revision, hubUrl, ...credentials(source) });
  for await (const entry of entries) {
    if (entry.type === 'file' && isNeeded(entry.path)) files.push(toRemoteFile(entry));
  }
  if (!files.some(({ path }) => path.endsWith('.safetensors'))) {
    throw new HubError(
      `"${id}" has no safetensors weights, which are the only ones that can be converted.`,
    );
  }
  return files;
}

/** Selects files of the root folder; other weight formats and documents are not needed. */
export function isNeeded(path: string): boolean {
  if (path.includes('/') || path.startsWith('consolidated')) return false;
  return /\.(safetensors|json|jinja|txt)$/.test(path) && !path.startsWith('.');
}

function toRemoteFile({ path, size, oid, lfs }: ListFileEntry): RemoteFile {
  if (lfs !== undefined) {
    return {
      path,
      size: lfs.size,
      checksum: { algorithm: 'sha256', hex: lfs.oid.replace(/^sha256:/, '') },
    };
  }
  if (oid === undefined) throw new HubError(`The hub gives no checksum for "${path}".`);
  return { path, size, checksum: { algorithm: 'git-blob', hex: oid } };
}

async function fetchFiles(
  files: readonly RemoteFile[],
  options: PullOptions & { readonly source: Source },
): Promise<number> {
  const { source, outDir, onProgress } = options;
  const missing = await Promise.all(files.map((file) => missingBytes(file, outDir)));
  const totalBytes = missing.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
  await assertSpace(outDir, totalBytes);
  let doneBytes = 0;
  for (const [index, file] of files.entries()) {
    if (missing[index] === null) continue;
    const onBytes = (numBytes: number): void => {
      doneBytes += numBytes;
      onProgress?.({ doneBytes, totalBytes, file: file.path });
    };
    const retryDelaysMs = options.retryDelaysMs ?? RETRY_DELAYS_MS;
    const read = (remote: RemoteFile, offset: number) => readFrom(source, remote, offset);
    await fetchFile(file, { outDir, read, onBytes, retryDelaysMs });
  }
  return doneBytes;
}

async function assertSpace(outDir: string, numBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(outDir);
  const free = bavail * bsize;
  if (numBytes <= free) return;
  throw new HubError(
    `The download needs ${numBytes} bytes more; the disk of "${outDir}" has ${free} free.`,
  );
}

async function readFrom(
  source: Source,
  { path }: RemoteFile,
  offset: number,
): Promise<AsyncIterable<Uint8Array>> {
  const { id, revision, hubUrl } = source;
  // HTTP ranges instead of the xet protocol: a download can resume at any byte, and the checksum covers the whole file.
  const request = { repo: id, path, revision, hubUrl, xet: false, ...credentials(source) };
  const file = await downloadFile(request).catch((error: unknown) => {
    // The hub would reject these again; a retry may help for everything else.
    const isFinal = error instanceof HubApiError && FINAL_STATUSES.has(error.statusCode);
    throw isFinal ? explain(error, source) : error;
  });
  if (file === null) throw new HubError(`"${path}" is gone from "${id}".`);
  return file.slice(offset).stream();
}

function credentials({ token }: Source): { accessToken?: string } {
  return token === undefined || token === '' ? {} : { accessToken: token };
}
