interface KnownRoute {
  readonly segments: readonly string[];
  readonly methods: readonly string[];
}

/** Paths and methods of the routes, to tell a wrong method from an unknown path. */
export class RouteTable {
  readonly #routes: KnownRoute[] = [];

  add(path: string, methods: readonly string[]): void {
    this.#routes.push({ segments: path.split('/'), methods });
  }

  /** @returns the methods a path takes, sorted; empty for an unknown path */
  methodsOf(url: string): string[] {
    const segments = (url.split('?', 1)[0] ?? '').split('/');
    const methods = this.#routes
      .filter((route) => matches(route.segments, segments))
      .flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) => part.startsWith(':') || part === segments[index])
  );
}
