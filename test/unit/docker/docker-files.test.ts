import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { OPTION_LIST } from '../../../src/config/options.ts';
import { deserted, listeningApp } from '../../helpers/listening-app.ts';

const run = promisify(execFile);
const DOCKERFILE = read('docker/Dockerfile');
const COMPOSE = read('docker/docker-compose.yml');
const COMPOSE_CUDA = read('docker/docker-compose.cuda.yml');

function read(file: string): string {
  return readFileSync(file, 'utf8');
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, group]) => group ?? '');
}

describe('The Dockerfile', () => {
  it('copies files that exist and that its .dockerignore keeps', () => {
    const kept = matches(read('docker/Dockerfile.dockerignore'), /^!(.+)$/gm);
    const copied = matches(DOCKERFILE, /^COPY (?!--from)(.+) \S+$/gm).flatMap((row) =>
      row.split(' '),
    );
    assert.ok(copied.length > 5);
    for (const source of copied) {
      assert.ok(existsSync(source), source);
      assert.ok(kept.includes(source), `${source} is ignored`);
    }
    assert.deepEqual(kept.toSorted(), [...new Set(copied)].toSorted());
  });

  it('runs as an unprivileged user, on the Node that it builds with', () => {
    const stages = matches(DOCKERFILE, /^FROM \S+ AS (\S+)$/gm);
    const bases = matches(DOCKERFILE, /^FROM (\S+)/gm).filter((base) => !stages.includes(base));
    const own = bases.filter((base) => !base.includes('${'));
    assert.deepEqual([...new Set(own)], ['node:20-slim']);
    assert.match(
      DOCKERFILE,
      /^COPY --from=build \/usr\/local\/bin\/node \/usr\/local\/bin\/node$/m,
    );
    const final = DOCKERFILE.slice(DOCKERFILE.lastIndexOf('FROM '));
    assert.ok(final.indexOf('USER node') < final.indexOf('ENTRYPOINT'));
    assert.match(final, /^ENTRYPOINT \["node", .*"dist\/src\/cli\/main.js"\]$/m);
  });

  it('has a cpu and a cuda stage wherever RUNTIME chooses one', () => {
    const stages = matches(DOCKERFILE, /^FROM \S+ AS (\S+)$/gm);
    const pairs = matches(DOCKERFILE, /^FROM (\w+)-\$\{RUNTIME\}/gm);
    assert.deepEqual(pairs, ['dependencies', 'base']);
    for (const pair of pairs)
      for (const runtime of ['cpu', 'cuda']) assert.ok(stages.includes(`${pair}-${runtime}`));
    assert.match(DOCKERFILE, /^ARG RUNTIME=cpu$/m);
    assert.match(COMPOSE_CUDA, /^ {8}RUNTIME: cuda$/m);
  });

  it('removes the libraries of other platforms from the folder in which onnxruntime-node has them', () => {
    const [folder = ''] = matches(DOCKERFILE, /^WORKDIR \/app\/(\S+napi-v6)$/gm);
    assert.ok(existsSync(path.join(folder, process.platform, process.arch)), folder);
  });

  it('has a health check that fails without a server', async (context) => {
    const [argv = ''] = matches(DOCKERFILE, /HEALTHCHECK[^\n]*\n\s+CMD (\[.*\])$/gm);
    const [program = '', ...args] = JSON.parse(argv) as string[];
    const check = (url: string): Promise<unknown> =>
      run(program, args, { env: { PATH: process.env['PATH'], THINKGATE_PORT: new URL(url).port } });
    const { url } = await listeningApp(context);
    await check(url);
    const nothing = await deserted();
    await assert.rejects(check(nothing));
  });
});

describe('The compose file', () => {
  it('mounts files that exist', () => {
    const mounted = matches(COMPOSE, /^\s+- (?:\$\{\w+:-)?(\.[^:}]*)\}?:\/.*:ro$/gm);
    assert.equal(mounted.length, 5);
    for (const source of mounted) assert.ok(existsSync(path.join('docker', source)), source);
  });

  it('sets variables of options that the server has', () => {
    const known = new Set(OPTION_LIST.map(({ env }) => env));
    const set = [
      ...matches(COMPOSE, /^\s+- (THINKGATE_\w+)/gm),
      ...matches(COMPOSE_CUDA, /^\s+- (THINKGATE_\w+)/gm),
      ...matches(DOCKERFILE, /\b(THINKGATE_\w+)=/g),
    ];
    assert.ok(set.length >= 6);
    for (const name of set) assert.ok(known.has(name), name);
  });

  it('publishes ports on the loopback address only', () => {
    const ports = matches(COMPOSE, /^\s+- "(.*:\d+)"$/gm);
    assert.equal(ports.length, 3);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);
  });

  it('uses the names, ports and folders of the files that it mounts', () => {
    const services = matches(COMPOSE, /^ {2}(\w+):$/gm);
    const [target = ''] = matches(read('docker/prometheus/prometheus.yml'), /targets: \["(.*)"\]/g);
    assert.deepEqual(target.split(':'), ['thinkgate', '8000']);
    assert.ok(services.includes('thinkgate'));
    const source = read('docker/grafana/provisioning/datasources/prometheus.yml');
    assert.match(source, /url: http:\/\/prometheus:9090$/m);
    const [folder = ''] = matches(
      read('docker/grafana/provisioning/dashboards/thinkgate.yml'),
      /path: (\S+)/g,
    );
    assert.ok(COMPOSE.includes(`./grafana/dashboards:${folder}:ro`));
    const [home = ''] = matches(COMPOSE, /HOME_DASHBOARD_PATH=(\S+)/g);
    assert.equal(path.posix.dirname(home), folder);
    assert.ok(existsSync(path.join('docker/grafana/dashboards', path.basename(home))));
  });
});
