import type { Command } from 'commander';
import { addExamples } from '../options/help.ts';
import type { AddCommands } from '../shared/command.ts';

const MORE = `
It changes nothing and spends no token. Exit codes: 0 all is well, 3 something
needs attention, 1 something could not be checked and nothing else was found.`;

export const addDoctor: AddCommands = (program, action) => {
  const command = program
    .command('doctor')
    .description('Checks permissions, endpoints, clocks and the schedule, and says what to do.')
    .addHelpText('after', MORE)
    .action(
      action<[unknown, Command]>(async (...all) => (await import('./doctor.ts')).doctor(all[0]), 'reads'),
    );
  addExamples(command, [
    ['doctor', 'the stack, or the local system that runs here'],
    ['doctor --json', 'for a monitor; exit code 3 asks for attention'],
  ]);
};
