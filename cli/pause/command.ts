import { addExamples } from '../options/help.ts';
import type { AddCommands } from '../shared/command.ts';
import type { PauseOptions } from './pause.ts';

export const addPause: AddCommands = (program, action) => {
  addExamples(
    program
      .command('pause')
      .description('Has the function leave everything alone, or the accounts of one profile, at once.')
      .option('--profile <name>', 'only the accounts of this profile')
      .option('--wait', 'until nothing of it is being refreshed any more')
      .action(action<[PauseOptions]>(async (...all) => (await import('./pause.ts')).pause(...all))),
    [
      ['pause', 'everything'],
      ['pause --profile crm --wait', 'one profile; ends when no account of it is leased'],
    ],
  );
  addExamples(
    program
      .command('resume')
      .description('Ends a pause. What is due is refreshed by the next run.')
      .option('--profile <name>', 'the pause of this profile')
      .action(action<[PauseOptions]>(async (...all) => (await import('./pause.ts')).resume(...all))),
    [
      ['resume', 'the pause of everything'],
      ['resume --profile crm', 'the pause of one profile'],
    ],
  );
};
