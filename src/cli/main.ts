#!/usr/bin/env node
import { Command } from 'commander';
import { packageVersion } from '../config/version.ts';
import { registerAsk } from './ask-command.ts';
import { registerCalibrate } from './calibrate-command.ts';
import { registerConvert } from './convert-command.ts';
import { registerEval } from './eval-command.ts';
import { registerInspect } from './inspect-command.ts';
import { registerPull } from './pull-command.ts';
import { registerQuantizeKv } from './quantize-kv-command.ts';
import { registerReport } from './report-command.ts';
import { registerServe } from './serve-command.ts';

const program = new Command('thinkgate')
  .description('Serve multimodal models that decide for themselves whether to think.')
  .version(packageVersion())
  .showHelpAfterError('(add --help for the options)');

registerServe(program);
registerAsk(program);
registerConvert(program);
registerInspect(program);
registerCalibrate(program);
registerQuantizeKv(program);
registerEval(program);
registerPull(program);
registerReport(program);

try {
  await program.parseAsync();
} catch (error) {
  // One sentence; the stack does not help at a terminal.
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`thinkgate: ${message}\n`);
  process.exitCode = 1;
}
