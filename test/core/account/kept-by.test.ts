import { describe, expect, test } from 'vitest';
import { keeperOf, keeping, tableNameOf } from '../../../core/account/kept-by.ts';

const secretArn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:oauth/accounts/acme-AbCdEf';
const ours = '123456789012/eu-central-1/oauth-accounts';

describe('the keeper that a table stands for', () => {
  const rows: readonly {
    readonly name: string;
    readonly table: string;
    readonly secret: string | undefined;
    readonly keeper: string | undefined;
  }[] = [
    {
      name: 'is its ARN’s account, Region and name',
      table: 'arn:aws:dynamodb:us-east-1:210987654321:table/oauth-accounts',
      secret: secretArn,
      keeper: '210987654321/us-east-1/oauth-accounts',
    },
    {
      name: 'needs no secret where the table is an ARN',
      table: 'arn:aws:dynamodb:us-east-1:210987654321:table/oauth-accounts',
      secret: undefined,
      keeper: '210987654321/us-east-1/oauth-accounts',
    },
    {
      name: 'is known in every partition',
      table: 'arn:aws-us-gov:dynamodb:us-gov-west-1:210987654321:table/a.b-c_d',
      secret: undefined,
      keeper: '210987654321/us-gov-west-1/a.b-c_d',
    },
    {
      name: 'of a bare name is completed from a secret beside it',
      table: 'oauth-accounts',
      secret: secretArn,
      keeper: ours,
    },
    {
      name: 'of a bare name alone can not be told',
      table: 'oauth-accounts',
      secret: undefined,
      keeper: undefined,
    },
    {
      name: 'of a bare name is not made up from what is no ARN',
      table: 'oauth-accounts',
      secret: 'oauth/accounts/acme',
      keeper: undefined,
    },
  ];
  test.each(rows)('$name', ({ table, secret, keeper }) => {
    expect(keeperOf(table, secret)).toBe(keeper);
  });

  test('has the name of its table in every form', () => {
    expect(tableNameOf('oauth-accounts')).toBe('oauth-accounts');
    expect(tableNameOf('arn:aws:dynamodb:us-east-1:210987654321:table/oauth-accounts')).toBe(
      'oauth-accounts',
    );
  });
});

describe('a token set', () => {
  const rows: readonly {
    readonly name: string;
    readonly keptBy: string | undefined;
    readonly former?: readonly string[];
    readonly whose: ReturnType<typeof keeping>;
  }[] = [
    { name: 'that names this table is ours', keptBy: ours, whose: 'ours' },
    { name: 'that names nobody is free', keptBy: undefined, whose: 'free' },
    {
      name: 'that names another table is another’s',
      keptBy: '123456789012/eu-central-1/other',
      whose: 'foreign',
    },
    {
      name: 'of a table of that name in another Region is another’s',
      keptBy: '123456789012/us-east-1/oauth-accounts',
      whose: 'foreign',
    },
    {
      name: 'of a table of that name in another AWS account is another’s',
      keptBy: '210987654321/eu-central-1/oauth-accounts',
      whose: 'foreign',
    },
    {
      name: 'of a former table is free, where that is named as kept_by has it',
      keptBy: '210987654321/us-east-1/old',
      former: ['unrelated', '210987654321/us-east-1/old'],
      whose: 'free',
    },
    {
      name: 'of a former table in one’s own account and Region is free, where that is named barely',
      keptBy: '123456789012/eu-central-1/old',
      former: ['old'],
      whose: 'free',
    },
    {
      name: 'of a table elsewhere is not freed by a bare name',
      keptBy: '210987654321/eu-central-1/old',
      former: ['old'],
      whose: 'foreign',
    },
    {
      name: 'stays ours though this table is named as a former one',
      keptBy: ours,
      former: ['oauth-accounts'],
      whose: 'ours',
    },
    {
      name: 'with an empty keeper is another’s: nobody can say whose',
      keptBy: '',
      former: ['old'],
      whose: 'foreign',
    },
  ];
  test.each(rows)('$name', ({ keptBy, former = [], whose }) => {
    expect(keeping(keptBy, ours, former)).toBe(whose);
  });
});
