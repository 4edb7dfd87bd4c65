import { CLOCK_ERROR, PERSONS_CLOCK_ERROR, WRONG_ABOUT_ALL_FOR, WRONG_ABOUT_ONE_FOR } from './assumptions.ts';
import type { AccountPlan, HistoryPlan, PersonPlan, RunPlan } from './plan.ts';
import { BYSTANDER } from './plan.ts';
import type { Fault, Service } from './process.ts';
import type { Oddity, ProviderPlan, Rotation } from './provider.ts';
import { createRandom, type Random } from './random.ts';

const ROTATIONS: readonly Rotation[] = [
  'strict',
  'strict',
  'strict',
  'grace',
  'long grace',
  'static',
  'daily',
  'until used',
];
const FAULTS: readonly Fault[] = [
  'fails',
  'throttled',
  'answer lost',
  'late',
  'hangs',
  'killed before',
  'killed after',
  'frozen',
];
/** What needs others at the right moment to do harm comes more often. */
const FAULTS_OF_RUNS: readonly Fault[] = [...FAULTS, 'frozen', 'frozen', 'killed after'];
const ODDITIES: readonly Oddity[] = [
  'void',
  'lost request',
  'unreadable',
  'refused with tokens',
  'looks like a token',
  'called dead',
  'out of order',
  'too many',
  'client refused',
];
const NOT_DEAD = ODDITIES.filter((oddity) => oddity !== 'called dead');

const NAMES = ['acme', 'bolt', 'cern', 'dyna', 'east', 'fern', 'gold'];

/** How many accounts and runs each history has, where that is not to be drawn. */
export interface Size {
  readonly accounts?: number | undefined;
  readonly runs?: number | undefined;
}

/** A history in which a few things go wrong together, drawn from a seed. */
export function planFrom(seed: number, size: Size = {}): HistoryPlan {
  const random = createRandom(seed, 'plan');
  const ofPeople = createRandom(seed, 'people');
  const many = random.chance(0.05);
  const profiles = ['crm', 'mail'].slice(0, random.chance(0.8) ? 1 : 2).map(
    (profile): ProviderPlan => ({
      profile,
      rotation: random.pick(ROTATIONS),
      lifetime: random.pick([3_600, 3_600, 900, 400]),
      takes: random.pick([300, 300, 2_000, 20_000]),
      endsEarlier: ofPeople.chance(0.3),
    }),
  );
  const drawn = many ? 7 : 1 + random.below(2);
  const accounts = Array.from(
    { length: size.accounts ?? drawn },
    (_, i): AccountPlan => ({
      accountId: NAMES[i] ?? `account-${i + 1}`,
      profile: profiles[i % profiles.length]?.profile ?? 'crm',
      expiresIn: random.pick([-60, 100, 280, 280, 700]),
      unclaimed: random.chance(0.3),
      untouched: random.chance(0.2),
      versions: random.chance(0.05) ? 93 + random.below(6) : 0,
    }),
  );
  // One that nothing happens to shows whether the trouble of others holds it up.
  if (random.chance(0.25) && size.accounts === undefined) {
    profiles.push({ profile: BYSTANDER, rotation: 'strict', lifetime: 900, takes: 300 });
    accounts.push({ accountId: BYSTANDER, profile: BYSTANDER, expiresIn: 100 });
  }
  const others = accounts.filter(({ accountId }) => accountId !== BYSTANDER);
  const drawnRuns = runsFrom(random, accounts, size.runs);
  const people = size.runs === undefined ? alone(peopleFrom(random, ofPeople, others, drawnRuns)) : [];
  const runs = [...drawnRuns, ...followers(random, people)];
  const last = Math.max(...runs.map(({ at }) => at));
  const outages = Array.from({ length: random.pick([0, 0, 0, 1, 1, 2]) }, () =>
    outageFrom(random, others, last),
  );
  // Of single answers one alone is a wrong "dead": a provider that is wrong about a grant soon sees it.
  const answers = Array.from({ length: random.pick([0, 0, 1, 1, 2]) }, (_, i) => ({
    profile: random.pick(others).profile,
    request: 1 + random.below(2 + accounts.length * 2),
    oddity: i === 0 ? random.pick(ODDITIES) : random.pick(NOT_DEAD),
  }));
  const moods =
    answers[0]?.oddity !== 'called dead' && random.chance(0.1) ? [moodFrom(random, others, last)] : [];
  const ends = [
    last + 130,
    ...people.map(({ at }) => at + 500),
    ...outages.map(({ until }) => until),
    ...moods.map(({ until }) => until),
  ];
  return {
    seed,
    profiles,
    accounts,
    runs,
    people,
    outages,
    answers,
    moods,
    calmFrom: Math.max(...ends) + 400,
  };
}

function runsFrom(random: Random, accounts: readonly AccountPlan[], fixed: number | undefined): RunPlan[] {
  const runs: RunPlan[] = [];
  const drawn = 2 + random.below(4);
  const count = fixed ?? drawn;
  const segments = random.chance(0.15) ? 1 + random.below(3) : 0;
  const apart = random.chance(0.15);
  let at = 1 + random.below(5);
  for (let i = 0; i < count; i++) {
    const environment = random.chance(0.4) && i > 0 ? `env ${1 + random.below(i)}` : `env ${i + 1}`;
    const faults = Object.fromEntries(
      Array.from({ length: random.pick([0, 0, 1, 1, 2, 3]) }, () => [
        callFrom(random, accounts.length),
        random.pick(FAULTS_OF_RUNS),
      ]),
    );
    const force = random.chance(0.45);
    const byHand = random.chance(0.2);
    const run: RunPlan = {
      at,
      environment,
      request: {
        ...(force && { force }),
        ...(byHand ? { accountIds: [random.pick(accounts).accountId] } : segmentOf(random, segments)),
      },
      clockError: apart
        ? i % 2 === 0
          ? -CLOCK_ERROR
          : CLOCK_ERROR
        : random.pick([0, 0, 0, -CLOCK_ERROR, CLOCK_ERROR, random.below(2 * CLOCK_ERROR + 1) - CLOCK_ERROR]),
      faults,
      latency: random.pick([5, 40, 40, 300, 2_000]),
      frozenFor: random.pick([5, 70, 130, 200, 400]),
      lagging: random.pick([0, 0.2, 0.5, 0.9]),
    };
    runs.push(run);
    at += gapFrom(random, run, apart);
  }
  return random.chance(0.15) ? staged(random, runs) : runs;
}

/**
 * What hardly ever comes about by chance. Either a run that is held up dies late, and the next one comes when its lease is
 * just over, by the clocks that are furthest apart; or it goes on after its lease, while others are at work.
 */
function staged(random: Random, runs: readonly RunPlan[]): RunPlan[] {
  const [first, second, ...others] = runs;
  if (first === undefined || second === undefined) return [...runs];
  if (random.chance(0.5)) {
    // Held up for longer, it would not spend anything any more.
    const death = random.pick(['killed before', 'killed after'] as const);
    const faults = { [2 + random.below(4)]: 'frozen', [7 + random.below(4)]: death } as const;
    const at = first.at + 121 + random.below(15);
    return [
      { ...first, clockError: -CLOCK_ERROR, faults, frozenFor: 45 + random.below(27) },
      { ...second, clockError: CLOCK_ERROR, lagging: 0.9, at },
      ...others.map((run) => ({ ...run, at: at + run.at - second.at })),
    ];
  }
  const frozenFor = 185 + random.below(30);
  let at = first.at + frozenFor - 5;
  const next = (run: RunPlan): RunPlan => {
    at += random.below(8);
    return { ...run, at, request: { force: true } };
  };
  return [
    { ...first, faults: { [6 + random.below(6)]: 'frozen' }, frozenFor },
    next(second),
    ...others.map(next),
  ];
}

/** Which call goes wrong: often one of those between the lease and the record of the first account. */
function callFrom(random: Random, accounts: number): number {
  return random.chance(0.5) ? 6 + random.below(6) : 1 + random.below(8 + 5 * Math.min(accounts, 7));
}

/**
 * Seconds until the next run. It often comes just when one that stands still goes on, in the time after its deadline, or
 * when the lease of one that has died ends.
 */
function gapFrom(random: Random, { faults = {}, frozenFor = 0 }: RunPlan, apart: boolean): number {
  const wrong = Object.values(faults);
  const leaseEnds = (apart ? 121 : 181) + random.below(10);
  if (wrong.includes('frozen') && random.chance(0.7))
    return random.pick([
      Math.max(0, frozenFor + random.pick([-20, -5, -2, -1, 0, 1, 3, 10])),
      121 + random.below(60),
      leaseEnds,
    ]);
  if (wrong.some((fault) => fault.startsWith('killed')) && random.chance(0.4)) return leaseEnds;
  return random.pick([0, 0, 1, 1, 2, 5, 30, 60, 61, 120, 185, 900, 3_300]);
}

/** Of a table in segments each run sees one; how many there are changes from run to run. */
function segmentOf(random: Random, segments: number) {
  if (segments === 0) return {};
  const totalSegments = 1 + random.below(segments + 1);
  return { segment: random.below(totalSegments), totalSegments };
}

function peopleFrom(
  random: Random,
  ofPeople: Random,
  accounts: readonly AccountPlan[],
  runs: readonly RunPlan[],
): PersonPlan[] {
  if (!random.chance(0.4)) return [];
  const last = Math.max(...runs.map(({ at }) => at));
  /** Often while a run is at work, or when its lease ends. */
  const atSomeTime = () =>
    random.chance(0.6)
      ? random.pick(runs).at + random.pick([0, 0, 1, 1, 2, 3, 5, 10, 30, 125, 185])
      : random.below(last + 60);
  return Array.from({ length: random.pick([1, 1, 2]) }, () => ({
    at: atSomeTime(),
    does: random.pick([
      'authorize',
      'authorize',
      'authorize',
      'import again',
      'import again',
      'remove',
      'remove and import again',
      'put the set before back',
      'write the set anew',
      'copy the item',
      'restore the table',
      'another deployment',
    ] as const),
    accountId: random.pick(accounts).accountId,
    clockError: random.pick([0, 0, -CLOCK_ERROR, CLOCK_ERROR, -PERSONS_CLOCK_ERROR, PERSONS_CLOCK_ERROR]),
    faults: random.chance(0.3) ? { [1 + random.below(15)]: random.pick(FAULTS) } : {},
    latency: random.pick([40, 40, 300, 2_000]),
    frozenFor: ofPeople.pick([5, 70, 130, 500]),
    lagging: random.pick([0, 0, 0.5]),
  })).map(withClockAllowed);
}

/** Only `authorize` allows for clocks that are minutes wrong. */
function withClockAllowed(person: PersonPlan): PersonPlan {
  const { does, clockError = 0 } = person;
  if (does === 'authorize') return person;
  return { ...person, clockError: Math.max(-CLOCK_ERROR, Math.min(CLOCK_ERROR, clockError)) };
}

/** Who writes a set by hand is the only one at work with the account (docs/guarantee.md). */
function alone(people: readonly PersonPlan[]): PersonPlan[] {
  const byHand = ({ does }: PersonPlan) =>
    does === 'write the set anew' || does === 'put the set before back';
  return people.filter((one, i) => i === 0 || ![people[0], one].some((person) => person && byHand(person)));
}

/** Runs that come while a person is at work, or soon after, and may see what was there before. */
function followers(random: Random, people: readonly PersonPlan[]): RunPlan[] {
  return people.flatMap(({ at, accountId }, i) =>
    random.chance(0.5)
      ? [
          {
            at: at + random.pick([0, 1, 1, 2, 5, 30, 70]),
            environment: `follower ${i + 1}`,
            request: { force: true, ...(random.chance(0.5) && { accountIds: [accountId] }) },
            latency: random.pick([5, 40, 300, 2_000]),
            lagging: random.pick([0, 0.5, 0.9]),
          },
        ]
      : [],
  );
}

const SERVICES: readonly (readonly [Service, string | undefined])[] = [
  ['secretsmanager', undefined],
  ['secretsmanager', 'PutSecretValue'],
  ['secretsmanager', 'PutSecretValue'],
  ['secretsmanager', 'UpdateSecretVersionStage'],
  ['secretsmanager', 'GetSecretValue'],
  ['dynamodb', undefined],
  ['dynamodb', 'Update'],
  ['kms', undefined],
  ['events', undefined],
];

function outageFrom(
  random: Random,
  accounts: readonly AccountPlan[],
  last: number,
): HistoryPlan['outages'][number] {
  const [service, operation] = random.pick(SERVICES);
  const from = random.below(last + 10);
  return {
    service,
    ...(operation !== undefined && { operation }),
    ...(random.chance(0.4) && { about: random.pick(accounts).accountId }),
    fault: random.pick(['fails', 'throttled', 'answer lost', 'late', 'hangs'] as const),
    from,
    until: from + random.pick([1, 5, 30, 120, 400, 1_500]),
  };
}

function moodFrom(
  random: Random,
  accounts: readonly AccountPlan[],
  last: number,
): HistoryPlan['moods'][number] {
  const { accountId, profile } = random.pick(accounts);
  const oddity = random.pick([
    'called dead',
    'called dead',
    'out of order',
    'too many',
    'client refused',
    'void',
  ] as const);
  const ofOne = accounts.length < 5 || random.chance(0.5);
  const longest = ofOne && oddity === 'called dead' ? WRONG_ABOUT_ONE_FOR : WRONG_ABOUT_ALL_FOR;
  const from = random.below(last + 10);
  return { profile, ...(ofOne && { accountId }), oddity, from, until: from + random.below(longest) };
}
