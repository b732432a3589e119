import type { LegacyTable } from './legacy-releases.js';

/** A row as SQL literals by column. Literals, because JavaScript's numbers lose the last digits of large integers. */
export type LiteralRow = Readonly<Record<string, string>>;

/** Rows to insert, in this order. */
export type LegacyRows = readonly (readonly [table: LegacyTable, row: LiteralRow])[];

/** A number in [0, 1), always the same ones for the same seed (mulberry32). */
export type Random = () => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A list in an order that depends on the seed alone. */
export function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, place: random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const json = (value: unknown): string => text(JSON.stringify(value));

const START = Date.UTC(2024, 1, 28, 22, 30);
/** So many minutes after an evening in February 2024, as SQLite's own CURRENT_TIMESTAMP writes it. */
const minute = (count: number): string =>
  text(
    new Date(START + count * 60_000)
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, ''),
  );

function pick<T>(list: readonly [T, ...T[]], random: Random): T {
  return list[Math.floor(random() * list.length)] ?? list[0];
}

/** Unicode of every kind, and what looks like SQL. */
export const oddTexts = [
  '',
  ' ',
  "it's; -- not /* a comment",
  '"quoted" `ticked` [bracketed] \\escaped\\ %wild_card%',
  'tabs\tand\r\nthree\nkinds\rof line',
  'ünïcödé, Ελληνικά, кириллица, עברית, العربية',
  '漢字かな交じり文 한국어 𠜎𠜱𠝹 (four bytes each)',
  '👩‍👩‍👧‍👦 🏳️‍🌈 🇪🇺 👍🏽',
  'e\u0301 and \u00e9 are not the same bytes',
  '\ufeffbegins with a byte order mark',
  '\u202eright to left override\u202c, \u200bzero width, \u2028line and \u2029paragraph separator',
  'private \ue000, noncharacters \uffff \u{10ffff}, replacement \ufffd, control \u0001\u001b\u007f\u0085',
  '9007199254740993',
  'NULL',
] as const;

const worldNames = [
  'Default World',
  'Straße nach Gdańsk',
  '砂漠の図書館',
  'Мир № 4',
  '🌍 & <friends>',
] as const;
const lines = [
  'Good evening. What are we building today?',
  'Please sum up the last chapter in two sentences.',
  'I think the door in the north wall was never locked.',
  '{"action":"pass","to":"human"}',
  'Пожалуйста, переведи это на немецкий.',
  'The answer is 42.\n\nShall I show how I got there?',
  'これは長い話の始まりです。',
  'No. 🙂',
] as const;

/** What the old programs wrote on a good day, into every table that there ever was. */
export function typicalRows(worlds: number, random: Random): LegacyRows {
  const rows: LegacyRows[number][] = [];
  let clock = 0;
  let archives = 0;
  const later = (): string => {
    clock += 1 + Math.floor(random() * 9);
    return minute(clock);
  };
  for (let w = 1; w <= worlds; w += 1) {
    const world = `world-${w}`;
    const provider = pick(['openai', 'anthropic', 'ollama'], random);
    rows.push([
      'worlds',
      {
        id: text(world),
        name: text(worldNames[(w - 1) % worldNames.length] ?? world),
        description:
          random() < 0.3 ? 'NULL' : text(`A world for ${pick(['trying out', 'work', 'play'], random)}`),
        turn_limit: String(1 + Math.floor(random() * 12)),
        chat_llm_provider: text(provider),
        chat_llm_model: text(`${provider}-large`),
        current_chat_id: text(`chat-${w}-2`),
        mcp_config:
          random() < 0.5 ? 'NULL' : json({ servers: [{ name: 'files', args: ['--root', '/tmp'] }] }),
        created_at: later(),
        updated_at: later(),
      },
    ]);
    for (let c = 1; c <= 2; c += 1) {
      const chat = `chat-${w}-${c}`;
      rows.push([
        'world_chats',
        {
          id: text(chat),
          world_id: text(world),
          name: text(c === 1 ? 'New Chat' : `Evening ${w}`),
          description: c === 1 ? 'NULL' : text('continued from yesterday'),
          message_count: String(3 + c),
          summary: text(`What was said in ${chat}`),
          tags: json(['keep', `world ${w}`]),
          created_at: later(),
          updated_at: later(),
        },
      ]);
      rows.push([
        'chat_snapshots',
        {
          chat_id: text(chat),
          world_id: text(world),
          snapshot_data: json({ world: { id: world }, agents: 2, messages: [pick(lines, random)] }),
          captured_at: later(),
          version: text('1.0'),
        },
      ]);
    }
    for (let a = 1; a <= 2; a += 1) {
      const agent = `agent-${a}`;
      const owned = { agent_id: text(agent), world_id: text(world) };
      rows.push([
        'agents',
        {
          id: text(agent),
          world_id: text(world),
          name: text(pick(['Ada', 'Bóthildr', 'Chūya', 'Дмитрий'], random)),
          type: text(pick(['assistant', 'default'], random)),
          status: a === 1 ? text('active') : text('inactive'),
          provider: text(provider),
          model: text(`${provider}-small`),
          system_prompt: text(`You are agent ${a}.\nBe brief.`),
          temperature: a === 1 ? '0.7' : 'NULL',
          max_tokens: a === 1 ? '2048' : 'NULL',
          llm_call_count: String(Math.floor(random() * 100)),
          created_at: later(),
          last_active: later(),
          last_llm_call: a === 1 ? later() : 'NULL',
        },
      ]);
      for (let m = 1; m <= 4; m += 1) {
        const asked = m % 2 === 1;
        const message = `msg-${w}-${a}-${m}`;
        rows.push([
          'agent_memory',
          {
            ...owned,
            role: asked ? text('user') : text('assistant'),
            content: text(pick(lines, random)),
            sender: asked ? text('human') : text(agent),
            chat_id: text(`chat-${w}-${m <= 2 ? 1 : 2}`),
            message_id: text(message),
            reply_to_message_id: asked ? 'NULL' : text(`msg-${w}-${a}-${m - 1}`),
            created_at: later(),
          },
        ]);
      }
      archives += 1;
      rows.push([
        'memory_archives',
        {
          ...owned,
          session_name: text(`Session ${archives}`),
          archive_reason: text(pick(['user', 'full', 'new chat'], random)),
          message_count: '2',
          start_time: later(),
          end_time: later(),
          participants: json(['human', agent]),
          tags: 'NULL',
          summary: text(`How session ${archives} went`),
          created_at: later(),
        },
      ]);
      for (const speaker of ['human', agent]) {
        rows.push([
          'archived_messages',
          {
            archive_id: String(archives),
            role: speaker === 'human' ? text('user') : text('assistant'),
            content: text(pick(lines, random)),
            sender: text(speaker),
            original_created_at: later(),
            archived_at: later(),
          },
        ]);
      }
    }
    rows.push([
      'archive_statistics',
      {
        world_id: text(world),
        agent_id: random() < 0.5 ? 'NULL' : text('agent-1'),
        stat_type: text('daily'),
        stat_date: text('2024-02-29'),
        archive_count: '2',
        message_count: '4',
        session_length_avg: '12.5',
        most_active_agent: text('agent-1'),
        data: json({ hours: [22, 23] }),
        created_at: later(),
        updated_at: later(),
      },
    ]);
    rows.push(...typicalEvents(w, later));
  }
  return rows;
}

/** World-level events never found their counter: each has number 1 and left a counter of its own. */
function typicalEvents(w: number, later: () => string): LegacyRows {
  const rows: LegacyRows[number][] = [];
  const world = text(`world-${w}`);
  for (let e = 1; e <= 3; e += 1) {
    rows.push([
      'events',
      {
        id: text(`evt-${w}-world-${e}`),
        world_id: world,
        chat_id: 'NULL',
        seq: '1',
        type: text('world'),
        payload: json({ kind: 'agent-added', nth: e }),
        meta: 'NULL',
        created_at: later(),
      },
    ]);
    rows.push(['event_sequences', { world_id: world, chat_id: 'NULL', last_seq: '1' }]);
  }
  for (let c = 1; c <= 2; c += 1) {
    const chat = text(`chat-${w}-${c}`);
    for (let e = 1; e <= 3; e += 1) {
      rows.push([
        'events',
        {
          id: text(`evt-${w}-${c}-${e}`),
          world_id: world,
          chat_id: chat,
          seq: String(e),
          type: e === 2 ? text('sse') : text('message'),
          payload: json({ content: lines[e % lines.length], ok: true, ratio: 0.1 }),
          meta: json({ sender: 'human' }),
          created_at: later(),
        },
      ]);
    }
    rows.push(['event_sequences', { world_id: world, chat_id: chat, last_seq: '3' }]);
  }
  return rows;
}

/** Rows whose parents are gone, because foreign keys were not always on. */
export const orphanRows: LegacyRows = [
  [
    'agents',
    {
      id: text('stray'),
      world_id: text('gone-world'),
      name: text('Stray'),
      type: text('default'),
      provider: text('openai'),
      model: text('small'),
      created_at: minute(900),
      last_active: minute(901),
    },
  ],
  [
    'agent_memory',
    {
      agent_id: text('gone-agent'),
      world_id: text('world-1'),
      role: text('user'),
      content: text('Is anybody there?'),
      chat_id: text('gone-chat'),
      created_at: minute(902),
    },
  ],
  [
    'archived_messages',
    {
      archive_id: '404',
      role: text('assistant'),
      content: text('From an archive that is gone'),
      archived_at: minute(903),
    },
  ],
  [
    'archive_statistics',
    {
      world_id: text('gone-world'),
      stat_type: text('daily'),
      stat_date: text('2023-12-31'),
      created_at: minute(904),
      updated_at: minute(904),
    },
  ],
  [
    'chat_snapshots',
    {
      chat_id: text('gone-chat'),
      world_id: text('world-1'),
      snapshot_data: json({ of: 'gone-chat' }),
      captured_at: minute(905),
    },
  ],
  [
    'events',
    {
      id: text('evt-gone-world'),
      world_id: text('gone-world'),
      chat_id: 'NULL',
      seq: '1',
      type: text('world'),
      payload: json({}),
      created_at: minute(906),
    },
  ],
  [
    'events',
    {
      id: text('evt-gone-chat'),
      world_id: text('world-1'),
      chat_id: text('gone-chat'),
      seq: '7',
      type: text('message'),
      payload: json({}),
      created_at: minute(907),
    },
  ],
];

const MOST = '9223372036854775807';
const LEAST = '-9223372036854775808';

/** Timestamps as they were found: four ways to write one, and three that are none. */
export const oddTimes = [
  text('2024-02-29T23:59:59.999Z'),
  '1709251199999',
  text('2024-02-29 23:59:60+02:00'),
  '1709251199.25',
  'NULL',
  text('yesterday, about noon'),
  text(''),
  "x'00FF10'",
  MOST,
  LEAST,
] as const;

/** Values that nobody meant to store, in columns that take them. */
export function oddRows(): LegacyRows {
  const rows: LegacyRows[number][] = [];
  oddTexts.forEach((odd, index) => {
    const owned = { agent_id: text(`odd-${index % oddTimes.length}`), world_id: text('odd-world') };
    rows.push(['agent_memory', { ...owned, role: text('system'), content: text(odd), sender: text(odd) }]);
  });
  oddTimes.forEach((created_at, index) => {
    rows.push(
      [
        'agents',
        {
          id: text(`odd-${index}`),
          world_id: text('odd-world'),
          name: text(oddTexts[index] ?? ''),
          type: text('default'),
          provider: text(''),
          model: text(''),
          created_at,
          last_active: created_at,
          last_llm_call: created_at,
        },
      ],
      [
        'events',
        {
          id: text(`evt-odd-${index}`),
          world_id: text('odd-world'),
          chat_id: index % 2 === 0 ? 'NULL' : text('odd-chat'),
          seq: index % 2 === 0 ? '1' : String(index),
          type: text('odd'),
          payload: text(oddTexts[index] ?? ''),
          meta: "x'7B7D'",
          created_at,
        },
      ],
    );
  });
  const bytes = "x'DEADBEEF00C0FFEE'";
  const edges: LegacyRows = [
    ['worlds', { id: text('odd-world'), name: bytes, turn_limit: MOST, description: "x''" }],
    ['worlds', { id: bytes, name: text('a BLOB for an id'), turn_limit: LEAST }],
    ['worlds', { id: text(''), name: text(''), turn_limit: text('about five') }],
    ['worlds', { id: 'NULL', name: text('no id at all'), turn_limit: '2.5', mcp_config: text('{not json') }],
    [
      'agents',
      {
        id: bytes,
        world_id: bytes,
        name: text('numbers'),
        type: bytes,
        provider: text('openai'),
        model: text('small'),
        temperature: text('warm'),
        max_tokens: text('as many as it takes'),
        llm_call_count: '9007199254740993',
      },
    ],
    [
      'agents',
      {
        id: text('reals'),
        world_id: bytes,
        name: text('infinite'),
        type: text('default'),
        status: 'NULL',
        provider: text('openai'),
        model: text('small'),
        temperature: '9e999',
        max_tokens: '1.5',
        llm_call_count: LEAST,
      },
    ],
    [
      'memory_archives',
      {
        id: LEAST,
        agent_id: bytes,
        world_id: bytes,
        message_count: "x'31'",
        start_time: oddTimes[1],
        end_time: oddTimes[5],
        participants: bytes,
      },
    ],
    [
      'archived_messages',
      { archive_id: LEAST, role: text('system'), content: bytes, original_created_at: oddTimes[7] },
    ],
    [
      'archive_statistics',
      {
        world_id: bytes,
        stat_type: text('weekly'),
        stat_date: '20240229',
        archive_count: text('many'),
        message_count: '9007199254740993',
        session_length_avg: '0.1',
      },
    ],
    ['world_chats', { id: text('odd-chat'), world_id: text('odd-world'), name: bytes, message_count: LEAST }],
    ['world_chats', { id: 'NULL', world_id: text('odd-world'), name: text('no id'), message_count: MOST }],
    ['world_chats', { id: bytes, world_id: bytes, name: text(''), tags: bytes }],
    ['chat_snapshots', { chat_id: text('odd-chat'), world_id: bytes, snapshot_data: bytes, version: '2' }],
    [
      'events',
      {
        id: 'NULL',
        world_id: bytes,
        chat_id: bytes,
        seq: 'NULL',
        type: bytes,
        payload: bytes,
        meta: text(''),
      },
    ],
  ];
  // The rows must not depend on the day on which they are made.
  return [...edges, ...rows].map(([table, row]) => [table, { ...timesOf(table), ...row }]);
}

/** The columns that would fall back to CURRENT_TIMESTAMP. */
function timesOf(table: LegacyTable): LiteralRow {
  switch (table) {
    case 'worlds':
    case 'world_chats':
    case 'archive_statistics':
      return { created_at: 'NULL', updated_at: minute(1000) };
    case 'agents':
      return { created_at: 'NULL', last_active: minute(1000) };
    case 'archived_messages':
      return { archived_at: 'NULL' };
    case 'chat_snapshots':
      return { captured_at: 'NULL' };
    case 'agent_memory':
    case 'memory_archives':
    case 'events':
      return { created_at: minute(1001) };
    case 'event_sequences':
      return {};
  }
}

function numbered(
  world: string,
  chat: string | null,
  events: readonly (readonly [id: string, seq: string, created_at: string])[],
): LegacyRows {
  return events.map(([id, seq, created_at]) => [
    'events',
    {
      id: text(id),
      world_id: text(world),
      chat_id: chat === null ? 'NULL' : text(chat),
      seq,
      type: text('message'),
      payload: json({ id }),
      created_at,
    },
  ]);
}

function counter(world: string, chat: string | null, last_seq: string): LegacyRows[number] {
  return [
    'event_sequences',
    { world_id: text(world), chat_id: chat === null ? 'NULL' : text(chat), last_seq },
  ];
}

const numberedChats = [
  'never-numbered',
  'below-zero',
  'last-place',
  'ahead-of-its-events',
  'behind-its-events',
  'text',
  'uncounted',
];

/** Events with no number, counters that lie, and both where a number cannot be. */
export const wronglyNumberedRows: LegacyRows = [
  ...numberedChats.map((chat): LegacyRows[number] => [
    'world_chats',
    { id: text(chat), world_id: text('world-1'), name: text(chat), ...timesOf('world_chats') },
  ]),
  // Not in the order of their rowids, two at the same minute, and times of every type.
  ...numbered('world-1', null, [
    ['late', '1', minute(2000)],
    ['early', '1', minute(1200)],
    ['tie-1', '1', minute(1500)],
    ['tie-2', 'NULL', minute(1500)],
    ['no-time', '1', 'NULL'],
    ['milliseconds', '1', '1709251199999'],
    ['garbage', '1', text('yesterday')],
    ['text-number', text('first'), minute(1600)],
    ['real-number', '1.5', minute(1601)],
    ['huge-number', MOST, minute(1602)],
  ]),
  // Gaps in the middle and at the end follow after the highest.
  ...numbered('world-1', 'chat-1-1', [
    ['gap-late', 'NULL', minute(2000)],
    ['gap-early', 'NULL', minute(1100)],
    ['gap-end', '40', minute(1101)],
    ['gap-text', text('forty'), minute(1102)],
  ]),
  // No number at all, and only negative ones.
  ...numbered('world-1', 'never-numbered', [
    ['never-2', 'NULL', minute(1401)],
    ['never-1', 'NULL', minute(1400)],
  ]),
  ...numbered('world-1', 'below-zero', [
    ['below-1', '-5', minute(1400)],
    ['below-2', 'NULL', minute(1401)],
  ]),
  // One place is left, and then none.
  ...numbered('world-1', 'last-place', [
    ['last-1', '9223372036854775806', minute(1400)],
    ['last-2', 'NULL', minute(1401)],
    ['last-3', 'NULL', minute(1402)],
  ]),
  counter('world-1', 'never-numbered', '0'),
  counter('world-1', 'below-zero', 'NULL'),
  counter('world-1', 'ahead-of-its-events', '12'),
  ...numbered('world-1', 'ahead-of-its-events', [['ahead', '3', minute(1400)]]),
  counter('world-1', 'behind-its-events', '1'),
  ...numbered('world-1', 'behind-its-events', [['behind', '9', minute(1400)]]),
  counter('world-1', 'all-gone', '25'),
  counter('world-1', 'text', text('eleven')),
  ...numbered('world-1', 'text', [['counted-by-text', '11', minute(1400)]]),
  counter('world-1', 'real', '2.5'),
  counter('world-1', 'bytes', "x'31'"),
  counter('world-1', 'negative', '-3'),
  counter('world-1', 'most', MOST),
  ...numbered('world-1', 'uncounted', [['uncounted', '4', minute(1400)]]),
  // A world that has world-level counters and no world-level events.
  counter('world-without-events', null, '1'),
  counter('world-without-events', null, '8'),
];
