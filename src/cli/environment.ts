/** A variable of the environment that is no option, because a command line shows its options to everybody. */
export function readEnvironment(name: string): string | undefined {
  return process.env[name];
}
